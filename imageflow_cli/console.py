"""Where the command line writes: results to standard output, everything else to standard error."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

results = Console()
errors = Console(stderr=True)


_SYMBOLS: dict[int, int | str] = {
    **{sign: 0x2400 + sign for sign in range(0x20) if sign != ord("\n")},
    0x7F: 0x2421,
    **{sign: f"\\x{sign:02x}" for sign in range(0x80, 0xA0)},
}
"""Unicode's control pictures; those from 0x80 on have none."""


def visible(text: str) -> str:
    """Return text that was read somewhere as a terminal may show it: no control character but line feeds."""
    return text.translate(_SYMBOLS)


def print_json(value: Any) -> None:
    """Print one JSON value on a line of its own."""
    click.echo(json.dumps(value, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Draw a table on a terminal; elsewhere, one line a row with tabs between whole values. No cell is markup."""
    if not results.is_terminal:
        for row in rows:
            click.echo("\t".join(str(cell) for cell in row))
        return
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text.assemble(cell) for cell in row))
    results.print(table)
