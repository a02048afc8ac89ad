"""`docs/settings.md`, made from the settings' classes: `make reference` writes it, and a test finds it stale."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from imageflow_clients.settings import PARTS, Settings

_HEAD = """<!-- Made by `make reference` from the classes of imageflow_clients/settings.py: change their docstrings. -->

# Settings

Every process of ImageFlow reads these environment variables when it starts. A wrong value ends it with one sentence
that names the variable. The S3 client reads `AWS_*` as well: [stores.md](stores.md)."""


def settings_page() -> str:
    """Return the page, in Markdown."""
    return "\n\n".join([_HEAD, *(text for part in PARTS for text in _section(part))]) + "\n"


def _section(part: type[BaseModel]) -> Iterator[str]:
    inherited = {name for base in part.__mro__[1:] for name in getattr(base, "model_fields", {})}
    rows = [_row(name, field) for name, field in part.model_fields.items() if name not in inherited]
    words = re.findall("[A-Z][a-z]+", part.__name__.removesuffix("Settings"))
    yield f"## {' '.join(words).capitalize()}"
    yield str(part.__doc__).strip()
    yield "\n".join(["| variable | default | |", "|---|---|---|", *rows])


def _row(name: str, field: FieldInfo) -> str:
    about = str(field.description).replace("\n", " ").replace("|", "\\|")
    secret = " A secret." if SecretStr in getattr(field.annotation, "__args__", ()) else ""
    prefix = Settings.model_config["env_prefix"]
    return f"| `{prefix}{name.upper()}` | {_default(field.default)} | {about}{secret} |"


def _default(value: Any) -> str:
    match value:
        case None | "" | ():
            return "unset"
        case bool():
            return f"`{json.dumps(value)}`"
        case tuple():
            return f"`{' '.join(f'{one:g}' for one in value)}`"
    if value is PydanticUndefined:
        raise ValueError("every setting has a default")
    return f"`{value}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(settings_page(), encoding="utf-8")
