"""The tables of `docs/games.md`, made from the classes that read a game's YAML.

`make reference` writes them anew; a test says where they are stale.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from game_capture.settle import SettleRule
from game_capture.x11.actions import ACTIONS, Until
from game_capture.x11.parameters import Command, X11Parameters
from game_capture.x11.scrolling import SCROLLS
from imageflow_domain.survey import Encoding
from imageflow_surveys.games import GameFile

BEGIN = "<!-- The tables are made by `make reference`: change the classes' docstrings, not this text. -->"
END = "<!-- End of the tables. -->"

_NAMED = {"Rect": "rectangle", "SettleRule": "settle", "Until": "wait_until", "DriverSpec": "driver", "Grid": "grid"}


def reference() -> str:
    """Return the tables, in Markdown."""
    parts = [
        "### A game file",
        *_table(GameFile),
        "`encoding`:",
        *_table(Encoding),
        "### Parameters of `x11`",
        *_table(X11Parameters),
        "A rectangle is `{x_px: 0, y_px: 40, width_px: 1280, height_px: 900}`, a place `[X, Y]`.",
        "### `scroll`",
    ]
    for scroll in SCROLLS:
        parts += [f"`by: {scroll.model_fields['by'].default}`: {_sentence(scroll)}", *_table(scroll)]
    parts += ["### `prepare` and `home`", "Lists of actions, done one after the other."]
    for action in ACTIONS:
        parts += [f"`{next(iter(action.model_fields))}`: {_sentence(action)}", *_table(action)]
        if action.model_fields.keys() == {"wait_until"}:
            parts += _table(Until)
    parts += ["### `before` and `after`", *_table(Command), "### `settle`", *_table(SettleRule)]
    return "\n\n".join([BEGIN, *parts, END])


def renewed(text: str) -> str:
    """Return a page with its tables made anew; raise `ValueError` where it has no place for them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks the lines '{BEGIN}' and '{END}'")
    return f"{before}{reference()}{after}"


def _sentence(model: type[BaseModel]) -> str:
    return str(model.__doc__).strip().split("\n\n", 1)[0].replace("\n    ", " ")


def _table(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema()
    needed = set(schema.get("required", ()))
    rows = ["| setting | value | default | |", "|---|---|---|---|"]
    for name, field in schema["properties"].items():
        if "const" in field:
            continue
        default = "needed" if name in needed else _default(field.get("default"))
        about = str(field["description"]).replace("\n", " ").replace("|", "\\|")
        rows.append(f"| `{name}` | {_value(field, schema)} | {default} | {about} |")
    yield "\n".join(rows)


def _default(value: Any) -> str:
    if value in (None, [], {}):
        return "none"
    return "see below" if isinstance(value, Mapping) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _value(field: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """Describe the values that a field accepts."""
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        target = root["$defs"][name]
        return _value(target, root) if "enum" in target else _NAMED.get(name, name.lower())
    forms = [form for form in field.get("anyOf", ()) if form.get("type") != "null"]
    if len(forms) == 1:
        return _value(forms[0], root)
    if "oneOf" in field:
        return "see below" if "discriminator" in field else "action"
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    match field.get("type"):
        case "array" if "prefixItems" in field:
            return f"two {_plural(_value(field['prefixItems'][0], root))}"
        case "array":
            return f"list of {_plural(_value(field['items'], root))}"
        case "object":
            return "names and texts"
        case "string":
            return "key" if field.get("examples") == ["ctrl+p"] else "text"
        case "boolean":
            return "`true`, `false`"
        case kind:
            return _number(field, "whole number" if kind == "integer" else "number")


def _plural(word: str) -> str:
    noun, comma, rest = word.partition(",")
    return word if noun.endswith("s") else f"{noun}s{comma}{rest}"


def _number(field: Mapping[str, Any], kind: str) -> str:
    low = field.get("minimum", field.get("exclusiveMinimum"))
    high = field.get("maximum")
    if low is None or high is None:
        return kind
    over = "over " if "exclusiveMinimum" in field else ""
    return f"{kind}, {over}{low:g} to {high:g}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
