"""A game's YAML with measured settings put in: all else stays as its author wrote it, comments too. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from game_capture.probe.proposal import Proposal, Proposed
from imageflow_domain.geometry import Rect
from imageflow_surveys.game_yaml import parse_yaml

_MARK = "# measured: "
_WIDTH = 10_000


def with_measured(text: str, proposal: Proposal, *, title: str) -> str:
    """Return a YAML of a game with the proposed settings, each below a line that says what was measured.

    Args:
        text: A game file, or the `x11` driver's parameters alone: they become a game file where there are masks.
        title: The game's, where it becomes one.
    """
    content = parse_yaml(text, "the game's YAML")
    is_game = "driver" in content
    if not is_game and proposal.masks:
        body = "".join(f"    {line}" if line.strip() else line for line in _lines(text))
        text = f"title: {_flow(title)}\ndriver:\n  name: x11\n  parameters:\n{body}"
        is_game = True
    measured = dict(proposal.parameters)
    path = ("driver", "parameters") if is_game else ()
    changed = _put(text, path, measured)
    if proposal.masks:
        known = [Rect.model_validate(rect) for rect in content.get("masks") or ()] if "driver" in content else []
        masks = [rect.model_dump() for rect in (*known, *proposal.masks)]
        changed = _put(changed, (), {"masks": Proposed(value=masks, said="panels over the map, in pixels of the crop")})
    wanted = _content_with(parse_yaml(text, "the game's YAML"), path, proposal)
    if parse_yaml(changed, "the probed YAML") != wanted:
        # the author's layout cannot be kept, as of settings in one line: all is written anew
        return _written(wanted, proposal)
    return changed


def _content_with(content: dict[str, Any], path: Sequence[str], proposal: Proposal) -> dict[str, Any]:
    inner = content
    for name in path:
        inner = inner[name]
    inner |= {name: one.value for name, one in proposal.parameters.items()}
    if proposal.masks:
        content["masks"] = [*(content.get("masks") or ()), *(rect.model_dump() for rect in proposal.masks)]
    return content


def _put(text: str, path: Sequence[str], settings: Mapping[str, Proposed]) -> str:
    """Put settings into the mapping at a path, in the place of those that are there, or behind its last one."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    for name in path:
        node = next(value for key, value in node.value if key.value == name) if node else None
    if node is None or node.flow_style or not node.value:
        return text
    column = node.value[0][0].start_mark.column
    edits: list[tuple[int, int, str]] = []
    after = _end(node.value[-1][1])
    added = ""
    for name, one in settings.items():
        said = f"{_MARK}{one.said}"
        line = f"{name}: {_flow(one.value)}"
        place = next(((key, value) for key, value in node.value if key.value == name), None)
        if place is None:
            added += f"\n{' ' * column}{said}\n{' ' * column}{line}"
            continue
        begin, end = place[0].start_mark.index, _end(place[1])
        begin_of_line = text.rfind("\n", 0, begin) + 1
        above = text.rfind("\n", 0, max(0, begin_of_line - 1)) + 1
        if begin_of_line and text[above:begin_of_line].strip().startswith(_MARK):
            edits.append((above, end, f"{' ' * column}{said}\n{' ' * column}{line}"))
        elif text[begin_of_line:begin].strip():
            return text  # it shares its line with something
        else:
            edits.append((begin_of_line, end, f"{' ' * column}{said}\n{' ' * column}{line}"))
    if added:
        end_of_line = text.find("\n", after)
        end_of_line = len(text) if end_of_line < 0 else end_of_line
        edits.append((end_of_line, end_of_line, added))
    for begin, end, new in sorted(edits, reverse=True):
        text = text[:begin] + new + text[end:]
    return text if text.endswith("\n") else text + "\n"


def _end(node: yaml.Node) -> int:
    """Return where a value ends: a block's own mark lies behind the comments that follow it."""
    if isinstance(node, yaml.MappingNode | yaml.SequenceNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _written(content: Mapping[str, Any], proposal: Proposal) -> str:
    said = "".join(f"{_MARK}{name}: {one.said}\n" for name, one in proposal.parameters.items())
    return said + yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=120)


def _flow(value: Any) -> str:
    """Return a value as one line of YAML."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text.removesuffix("\n...\n").strip()


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def first_yaml(title: str, command: Sequence[str], parameters: Mapping[str, Any]) -> str:
    """Return a YAML to begin with: a command, and what it needs to be started at all."""
    lines = [
        "# yaml-language-server: $schema=game.schema.json",
        f"title: {_flow(title)}",
        "driver:",
        "  name: x11",
        "  parameters:",
        f"    command: {_flow(list(command))}",
        *(f"    {name}: {_flow(value)}" for name, value in parameters.items()),
        "    prepare: []            # steps that lead to the map: {at: [X, Y]} clicks, {key: Return} presses a key",
        "    home: []               # steps that bring the camera to the upper left of what is surveyed",
        "grid: {rows: 3, cols: 3}",
    ]
    return "\n".join(lines) + "\n"
