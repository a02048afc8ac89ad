"""Where the command line writes: results to standard output, everything else to standard error."""

import json
from typing import Any

import click
from rich.console import Console

results = Console()
errors = Console(stderr=True)


def print_json(value: Any) -> None:
    """Print one JSON value on a line of its own."""
    click.echo(json.dumps(value, default=str))
