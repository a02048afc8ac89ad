"""A survey's grid: areas (commanded camera positions) and the blocks that they are worked in."""

from collections.abc import Container, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

BLOCK_SIDE = 10
"""Areas on a block's side, unless a survey says otherwise."""

GRID_SIDE = 1000
"""Areas on a grid's side, at most."""


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """One area of the grid, counted from its top left."""

    row: int
    col: int

    def __str__(self) -> str:
        return f"r{self.row:02d}_c{self.col:02d}"


@dataclass(frozen=True, kw_only=True, order=True)
class Block:
    """A square of areas: the unit of capture, work and retry."""

    row: int
    col: int

    @property
    def key(self) -> str:
        """The block's name, such as `r00c01`."""
        return f"r{self.row:02d}c{self.col:02d}"

    def rows(self, side: int) -> range:
        """The rows of the grid that the block lies in, `side` areas being on a block's side."""
        return range(self.row * side, (self.row + 1) * side)


class Grid(BaseModel):
    """Rows and columns of areas."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    rows: int = Field(ge=1, le=GRID_SIDE)
    """Areas from top to bottom."""
    cols: int = Field(ge=1, le=GRID_SIDE)
    """Areas from left to right."""

    def __str__(self) -> str:
        return f"{self.cols}x{self.rows}"

    def cells(self) -> Iterator[Cell]:
        """Every cell, row by row."""
        return (Cell(row=row, col=col) for row in range(self.rows) for col in range(self.cols))

    def blocks(self, side: int) -> tuple[Block, ...]:
        """Every block that holds an area of this grid, row by row."""
        return tuple(
            Block(row=row, col=col) for row in range(-(-self.rows // side)) for col in range(-(-self.cols // side))
        )

    def cells_of(self, block: Block, side: int) -> tuple[Cell, ...]:
        """The areas of `block`, row by row; empty where it lies outside the grid."""
        return tuple(
            Cell(row=row, col=col)
            for row in range(block.row * side, min((block.row + 1) * side, self.rows))
            for col in range(block.col * side, min((block.col + 1) * side, self.cols))
        )


def block_of(cell: Cell, side: int) -> Block:
    """Return the block that a cell lies in, `side` areas being on a block's side."""
    return Block(row=cell.row // side, col=cell.col // side)


FORWARD = ((0, 1), (1, -1), (1, 0), (1, 1))
"""Row and column steps to the neighbours that a cell is registered with: each pair once."""


def forward_neighbours(cell: Cell) -> tuple[Cell, ...]:
    """The right, lower left, lower and lower right neighbours; some may lie outside the grid."""
    return tuple(Cell(row=cell.row + row, col=cell.col + col) for row, col in FORWARD)


def neighbours_ahead(cell: Cell, planned: Container[Cell], block_side: int) -> Iterator[Cell]:
    """Yield the planned cells that a cell is registered with: forward neighbours, or who lies behind a hole there.

    A survey with shots between some of its cells has such holes everywhere else. Nobody farther than in the next block
    is asked: its screenshots need not be there.
    """
    block = block_of(cell, block_side)
    for row, col in FORWARD:
        near = Cell(row=cell.row + row, col=cell.col + col)
        far = Cell(row=cell.row + 2 * row, col=cell.col + 2 * col)
        if near in planned:
            yield near
        elif far in planned:
            other = block_of(far, block_side)
            if max(abs(other.row - block.row), abs(other.col - block.col)) <= 1:
                yield far
