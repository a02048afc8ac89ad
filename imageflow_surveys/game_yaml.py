"""The YAML of people who describe games: read so that no mistake passes unnoticed."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from imageflow_domain.errors import InvalidInput

_MOST_BYTES = 1_000_000


class _Loader(yaml.SafeLoader):
    """Refuses a setting that is there twice, of which YAML's own loader takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key}' is there twice, and must be there once", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str, where: str) -> Any:
    """Return what a text in YAML says; raise `InvalidInput` with line and column where it is wrong.

    Args:
        where: What messages call the text.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  derived from the safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f" in line {mark.line + 1}, column {mark.column + 1}"
        raise InvalidInput(f"{where} is not right{place}: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise InvalidInput(f"{where} is not YAML: {error}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping of a YAML file; raise `InvalidInput` where it is none."""
    return mapping_of(read_text(path), f"'{path}'")


def mapping_of(text: str, where: str) -> dict[str, Any]:
    """Return the mapping that a text in YAML is; raise `InvalidInput` where it is none."""
    content = parse_yaml(text, where)
    if not isinstance(content, dict):
        raise InvalidInput(f"{where} is not right: it must be a mapping of settings, each on a line as `name: value`.")
    return content


def read_text(path: Path) -> str:
    """Return the text of a YAML file; raise `InvalidInput` where it is none."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode()
    except OSError as error:
        raise InvalidInput(f"'{path}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"'{path}' is not text in UTF-8: name the YAML file that describes the game.") from error
    if len(data) > _MOST_BYTES:
        raise InvalidInput(f"'{path}' is larger than {_MOST_BYTES} bytes: name the YAML file that describes the game.")
    return text
