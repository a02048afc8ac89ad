"""Pictures at known positions into the cells of a grid, such that pictures that overlap become neighbours."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from imageflow_domain.geometry import Offset, Size
from imageflow_domain.grid import Cell

_SCALES = (1.0, 0.8, 1.25, 0.6)
"""Of the usual distance between neighbours, tried as the grid's step until all pictures hang together."""

_LONELY = 4.0
"""As bad as lying two cells off: a cell without any neighbour that the picture overlaps."""


@dataclass(frozen=True, kw_only=True)
class Tie:
    """Two pictures that are known to overlap, and how they lie to one another."""

    first: int
    second: int
    offset: Offset
    rest_x_px: float = 0.0
    rest_y_px: float = 0.0
    """What the offset is beyond whole pixels; 0 where pixels are equal, and known by content elsewhere."""
    sigma_px: float = 0.0
    """Standard error of the offset on the worse axis; 0 where pixels are equal."""
    agreeing: int = 0
    contradicting: int = 0
    """Sub-windows, where it was found by content."""

    @property
    def is_exact(self) -> bool:
        """Whether the pixels of the overlap are equal; else its content agrees."""
        return self.sigma_px == 0.0

    @property
    def precise(self) -> tuple[float, float]:
        """The offset with what it is beyond whole pixels, x and y."""
        return self.offset.dx_px + self.rest_x_px, self.offset.dy_px + self.rest_y_px

    @property
    def reversed(self) -> "Tie":
        """The same tie seen from the other picture."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            offset=-self.offset,
            rest_x_px=-self.rest_x_px,
            rest_y_px=-self.rest_y_px,
        )

    def seen_from(self, picture: int) -> tuple[int, Offset]:
        """The other picture, and where it lies."""
        return (self.second, self.offset) if picture == self.first else (self.first, -self.offset)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One cell for each picture."""

    cells: Mapping[int, Cell]
    neighbours: int
    """Ties between pictures in neighbouring cells."""
    largest: int
    """Pictures of the largest part that such ties hold together; all of them in a good layout."""


def lay_out(ties: Sequence[Tie], view: Size) -> Layout:
    """Return the cells of pictures that ties connect, the first row and column being 0.

    Pictures are taken by the surest ties first; each goes where those that it overlaps say, in steps of the usual
    distance between neighbours, or, where that cell is taken, to a near one that keeps most of its ties. Pictures in
    a grid find that grid; a crowd of pictures spreads.

    Args:
        ties: Of one connected group; all pictures have the size `view`.
    """
    beside: dict[int, list[Tie]] = {}
    for tie in ties:
        for picture in (tie.first, tie.second):
            beside.setdefault(picture, []).append(tie)
    step_x = _usual_step(beside, view, along_x=True)
    step_y = _usual_step(beside, view, along_x=False)
    layouts: list[Layout] = []
    for scale in _SCALES:
        layouts.append(_laid(beside, view, step_x * scale, step_y * scale))
        if layouts[-1].largest == len(beside):
            break
    return max(layouts, key=lambda layout: (layout.largest, layout.neighbours))


def _usual_step(beside: Mapping[int, Sequence[Tie]], view: Size, *, along_x: bool) -> float:
    """The middle of the distances to each picture's nearest neighbour on one axis; the view's side without any."""
    nearest = []
    for ties in beside.values():
        across = [(abs(t.offset.dx_px) / view.width_px, abs(t.offset.dy_px) / view.height_px) for t in ties]
        shares = [x if along_x else y for x, y in across if (x > y) == along_x]
        if shares:
            nearest.append(min(shares))
    side = view.width_px if along_x else view.height_px
    return max(1.0, median(nearest) * side) if nearest else float(side)


def _laid(beside: Mapping[int, Sequence[Tie]], view: Size, step_x: float, step_y: float) -> Layout:
    cells: dict[int, Cell] = {}
    taken: set[Cell] = set()
    first = max(beside, key=lambda picture: (len(beside[picture]), -picture))
    front: list[tuple[float, int]] = [(0.0, first)]
    while front:
        _, picture = heapq.heappop(front)
        if picture in cells:
            continue
        cell = _best_cell(picture, beside[picture], cells, taken, view, step_x, step_y)
        cells[picture] = cell
        taken.add(cell)
        for tie in beside[picture]:
            other, _ = tie.seen_from(picture)
            if other not in cells:
                heapq.heappush(front, (-_overlap(tie.offset, view), other))
    top, left = min(cell.row for cell in cells.values()), min(cell.col for cell in cells.values())
    moved = {picture: Cell(row=cell.row - top, col=cell.col - left) for picture, cell in cells.items()}
    return _rated(moved, beside)


def _best_cell(
    picture: int,
    ties: Sequence[Tie],
    cells: Mapping[int, Cell],
    taken: set[Cell],
    view: Size,
    step_x: float,
    step_y: float,
) -> Cell:
    placed = [
        (cells[other], offset, _overlap(offset, view))
        for other, offset in (tie.seen_from(picture) for tie in ties)
        if other in cells
    ]
    if not placed:
        return Cell(row=0, col=0)
    total = sum(share for *_, share in placed)
    row = sum(share * (cell.row - offset.dy_px / step_y) for cell, offset, share in placed) / total
    col = sum(share * (cell.col - offset.dx_px / step_x) for cell, offset, share in placed) / total

    def worth(cell: Cell) -> float:
        kept = sum(share for other, _, share in placed if _are_neighbours(cell, other))
        return kept - (cell.row - row) ** 2 - (cell.col - col) ** 2 - (0.0 if kept else _LONELY)

    return max(_free_around(Cell(row=round(row), col=round(col)), taken), key=lambda cell: (worth(cell), cell))


def _free_around(middle: Cell, taken: set[Cell]) -> list[Cell]:
    """The free cells of the smallest square around a cell, of two cells to each side at least, that has any."""
    reach = 2
    while True:
        free = [cell for cell in _square(middle, reach) if cell not in taken]
        if free:
            return free
        reach += 1


def _square(middle: Cell, reach: int) -> Iterator[Cell]:
    steps = range(-reach, reach + 1)
    return (Cell(row=middle.row + row, col=middle.col + col) for row in steps for col in steps)


def _are_neighbours(first: Cell, second: Cell) -> bool:
    return max(abs(first.row - second.row), abs(first.col - second.col)) == 1


def _overlap(offset: Offset, view: Size) -> float:
    """Share of a picture that another one covers, above 0 to keep every tie in the sums."""
    across = max(0, view.width_px - abs(offset.dx_px)) / view.width_px
    down = max(0, view.height_px - abs(offset.dy_px)) / view.height_px
    return max(across * down, 1e-6)


def _rated(cells: Mapping[int, Cell], beside: Mapping[int, Sequence[Tie]]) -> Layout:
    kept: dict[int, list[int]] = {picture: [] for picture in cells}
    for picture, ties in beside.items():
        for tie in ties:
            other, _ = tie.seen_from(picture)
            if _are_neighbours(cells[picture], cells[other]):
                kept[picture].append(other)
    largest, left = 0, set(cells)
    while left:
        front = [left.pop()]
        size = 0
        while front:
            size += 1
            found = left.intersection(kept[front.pop()])
            left -= found
            front.extend(found)
        largest = max(largest, size)
    return Layout(cells=cells, neighbours=sum(map(len, kept.values())) // 2, largest=largest)
