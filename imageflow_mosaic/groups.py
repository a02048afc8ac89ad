"""Groups of pictures that verified overlaps hold together, each picture in a cell of its group's grid."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imageflow_domain.geometry import Offset, Position, Size
from imageflow_domain.grid import Cell
from imageflow_mosaic.layout import Tie, lay_out
from imageflow_mosaic.plane import Plane

MIN_GROUP = 2
"""Pictures that overlap no other are strays; two that do are a map already."""


@dataclass(frozen=True, kw_only=True)
class Arranged:
    """One picture of a group."""

    name: str
    size: Size
    cell: Cell
    position: Position
    """Its top left corner, in whole pixels; the group's leftmost and topmost lie at 0."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pictures that verified overlaps hold together. By cell."""

    pictures: tuple[Arranged, ...]
    overlaps: int
    """Verified pairs of its pictures."""
    neighbours: int
    """Of them, those that became neighbours in the grid."""

    @property
    def size(self) -> Size:
        """The size that most of its pictures have; among equally common ones the largest."""
        sizes = Counter(picture.size for picture in self.pictures)
        return max(sizes, key=lambda size: (sizes[size], size.width_px * size.height_px, size.width_px))


def groups_of(names: Sequence[str], sizes: Sequence[Size], plane: Plane) -> tuple[Group, ...]:
    """Return the groups that a plane's ties hold together, the largest first.

    Args:
        names: Of all pictures, by number.
        sizes: Of all pictures, by number.
    """
    ties: dict[int, dict[tuple[int, int], Tie]] = {}
    for tie in plane.ties:
        if tie.first != tie.second:
            forward = tie if tie.first < tie.second else tie.reversed
            ties.setdefault(plane.group(tie.first), {}).setdefault((forward.first, forward.second), forward)
    groups = [_group(names, sizes, plane, [inside[pair] for pair in sorted(inside)]) for inside in ties.values()]
    large = [group for group in groups if len(group.pictures) >= MIN_GROUP]
    return tuple(sorted(large, key=lambda group: (-len(group.pictures), group.pictures[0].name)))


def _group(names: Sequence[str], sizes: Sequence[Size], plane: Plane, ties: Sequence[Tie]) -> Group:
    members = {number for tie in ties for number in (tie.first, tie.second)}
    view = Size(
        width_px=max(sizes[number].width_px for number in members),
        height_px=max(sizes[number].height_px for number in members),
    )
    layout = lay_out(ties, view)
    places: Mapping[int, Offset] = {number: plane.place(number) for number in layout.cells}
    left, top = min(p.dx_px for p in places.values()), min(p.dy_px for p in places.values())
    pictures = [
        Arranged(
            name=names[number],
            size=sizes[number],
            cell=cell,
            position=Position(x_px=float(places[number].dx_px - left), y_px=float(places[number].dy_px - top)),
        )
        for number, cell in layout.cells.items()
    ]
    return Group(
        pictures=tuple(sorted(pictures, key=lambda picture: picture.cell)),
        overlaps=len(ties),
        neighbours=layout.neighbours,
    )
