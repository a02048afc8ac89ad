"""What several commands take: the settings of the process, and options such as grids, rectangles, positions."""

from typing import Any

import click

from imageflow_clients.settings import Settings
from imageflow_domain.backup import check_backup_name
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.grid_text import parse_grid
from imageflow_domain.ids import check_name, check_survey_id


class _Parsed(click.ParamType[Any]):
    """A value that a domain type reads from text."""

    def __init__(self, name: str, parse: Any) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


def _pair(text: str) -> tuple[int, int]:
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidInput(f"'{text}' is not X,Y in whole numbers.") from error
    return x, y


GRID = _Parsed("COLSxROWS", parse_grid)
RECT = _Parsed("X,Y,W,H", Rect.parse)
PAIR = _Parsed("X,Y", _pair)
NAME = _Parsed("NAME", check_name)
SURVEY = _Parsed("SURVEY", check_survey_id)
BACKUP = _Parsed("NAME", check_backup_name)

with_settings = click.make_pass_decorator(Settings, ensure=True)
"""Gives a command the settings as its first argument; they are read once, and not for `--help`."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print machine-readable JSON, last line last.")
