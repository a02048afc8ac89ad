"""Grids and blocks as people and rows write them."""

from imageflow_domain.errors import InvalidInput
from imageflow_domain.grid import GRID_SIDE, Block, Grid


def parse_grid(text: str) -> Grid:
    """Read `COLSxROWS`; raise `InvalidInput` for anything else."""
    try:
        cols, rows = (int(part) for part in text.lower().split("x"))
        return Grid(rows=rows, cols=cols)
    except ValueError as error:
        raise InvalidInput(f"'{text}' is not a grid: write COLUMNSxROWS, each 1 to {GRID_SIDE}.") from error


def parse_block(key: str) -> Block:
    """Read a block's `key`, such as `r00c01`; raise `InvalidInput` for anything else."""
    try:
        row, col = key.removeprefix("r").split("c")
        return Block(row=int(row), col=int(col))
    except ValueError as error:
        raise InvalidInput(f"'{key}' is not a block: it looks like 'r00c01'.") from error
