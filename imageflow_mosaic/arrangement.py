"""Pictures in no order to groups that overlap, each laid out in a grid, and what belongs to none.

What two pictures show of one place is proposed by `sketch` and verified by `registration`, pixel by pixel.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Offset, Position, Rect, Size
from imageflow_domain.grid import Cell
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.fingerprint import Fingerprint, Patches, fingerprint
from imageflow_mosaic.layout import Tie, lay_out
from imageflow_mosaic.registration import register
from imageflow_mosaic.sketch import Proposal, Sighting, Sketch, look_again, propose, sketch

MIN_GROUP = 2
"""Pictures that overlap no other are strays; two that do are a map already."""

_TRIES = (8, 4, 4)
"""Proposals of each picture that are verified, round by round; later rounds look for other groups only."""

_SLACK_PX = 2
"""How far around a proposed offset the verification looks."""

_HELD_BYTES = 300_000_000
"""Of pixels that are held while pairs are verified."""

_SURE_SQUARES = 14
"""Squares of 64 px that a tie must show the same in to be believed without other witnesses: no sprite fills so many."""

_WITNESSES = 24
"""Patches by which other pictures confirm or contradict a tie."""

_SEEN_SHARE = 0.3
"""Of them that must be seen. Where a tie is right three in four are, where it is wrong next to none."""

_MOST_WITNESSES = 16
"""Pairs of pictures that are heard about one tie."""

_THREADS = 2

Load = Callable[[str], Pixels]
Tell = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, kw_only=True)
class Arranged:
    """One picture of a group."""

    name: str
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


@dataclass(frozen=True, kw_only=True)
class Double:
    """A picture that shows the same as another, at the same place."""

    name: str
    of: str


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Two pictures that agree where they may overlap, but were not believed: too little, or others contradict it."""

    first: str
    second: str


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """What became of pictures in no order: each is in a group, a stray, or a double."""

    groups: tuple[Group, ...]
    """The largest first."""
    strays: tuple[str, ...]
    doubles: tuple[Double, ...]
    doubts: tuple[Doubt, ...]


def _say_nothing(what: str, done: int, total: int) -> None:
    """Nobody listens."""


def arrange(names: Sequence[str], load: Load, masks: Sequence[Rect] = (), tell: Tell = _say_nothing) -> Arrangement:
    """Find out how pictures of one size lie to one another.

    Every picture is read once to be sketched, and again, a few times at most, to be compared with those that its
    sketch resembles: the work grows with the pictures, not with their pairs.

    Args:
        names: Of all pictures; their order decides nothing but which of two equal ones stays.
        load: Reads one: RGB, shape (height, width, 3). Called from two threads.
        masks: Rectangles of the head-up display in every picture.

    Raises:
        InvalidInput: Where pictures differ in size.
    """
    order = sorted(names)
    if not order:
        return Arrangement(groups=(), strays=(), doubles=(), doubts=())
    sketches, same, view = _sketched(order, load, masks, tell)
    proposals = [p for p in propose(sketches) if same[p.first] == p.first and same[p.second] == p.second]
    ties = _verified(order, proposals, _Pictures(order, load, masks), tell)
    for tie in ties:
        if tie.offset == Offset(dx_px=0, dy_px=0):
            same[max(_root(same, tie.first), _root(same, tie.second))] = min(
                _root(same, tie.first), _root(same, tie.second)
            )
    plane = _Plane(sketches, view, masks)
    refused = plane.join([_of_originals(tie, same) for tie in ties])
    groups, strays = _groups(order, plane, same, view)
    return Arrangement(
        groups=groups,
        strays=strays,
        doubles=tuple(
            Double(name=name, of=order[_root(same, number)])
            for number, name in enumerate(order)
            if _root(same, number) != number
        ),
        doubts=tuple(Doubt(first=order[tie.first], second=order[tie.second]) for tie in refused),
    )


def _sketched(
    names: Sequence[str], load: Load, masks: Sequence[Rect], tell: Tell
) -> tuple[list[Sketch], list[int], Size]:
    """Return all sketches, for each picture the first one of equal pixels, and the common size."""

    def look(name: str) -> tuple[Sketch, bytes, tuple[int, ...]]:
        pixels = load(name)
        return sketch(fingerprint(pixels, masks)), hashlib.blake2b(pixels.data).digest(), pixels.shape

    sketches, same = [], []
    first: dict[bytes, int] = {}
    shape: tuple[int, ...] | None = None
    with ThreadPoolExecutor(_THREADS) as pool:
        for number, (found, digest, size) in enumerate(pool.map(look, names)):
            shape = shape or size
            if size != shape:
                raise InvalidInput(
                    f"'{names[number]}' is {size[1]}x{size[0]} px, but '{names[0]}' is {shape[1]}x{shape[0]} px: "
                    "arrange pictures of one size at a time."
                )
            same.append(first.setdefault(digest, number))
            # What is seen twice would outvote what overlaps.
            sketches.append(found if same[number] == number else _empty(found))
            tell("looking", number + 1, len(names))
    assert shape is not None  # noqa: S101 - there is at least one name
    return sketches, same, Size(width_px=shape[1], height_px=shape[0])


def _empty(of: Sketch) -> Sketch:
    nothing = Patches(x_px=of.rare.x_px[:0], y_px=of.rare.y_px[:0], hashes=of.rare.hashes[:0])
    return Sketch(x_px=of.x_px[:0], y_px=of.y_px[:0], hashes=of.hashes[:0], rare=nothing)


class _Pictures:
    """The pictures compared last, ready to be compared again."""

    def __init__(self, names: Sequence[str], load: Load, masks: Sequence[Rect]) -> None:
        self._names, self._load, self._masks = names, load, masks
        self._held: OrderedDict[int, Fingerprint] = OrderedDict()
        self._bytes = 0

    def of(self, number: int) -> Fingerprint:
        if number not in self._held:
            self._held[number] = fingerprint(self._load(self._names[number]), self._masks)
            self._bytes += self._held[number].pixels.nbytes
            while self._bytes > _HELD_BYTES and len(self._held) > 2:
                _, dropped = self._held.popitem(last=False)
                self._bytes -= dropped.pixels.nbytes
        self._held.move_to_end(number)
        return self._held[number]


def _verified(names: Sequence[str], proposals: Sequence[Proposal], pictures: _Pictures, tell: Tell) -> list[Tie]:
    """Return the proposals whose pixels agree: of each picture the best ones, then some that lead out of its group."""
    ties: list[Tie] = []
    tried: set[Proposal] = set()
    for number, tries in enumerate(_TRIES):
        chosen = _chosen(proposals, tried, tries, _labels(ties, len(names)) if number else range(len(names)))
        tried |= set(chosen)
        for done, proposal in enumerate(_in_order(chosen, len(names)), start=1):
            match = register(pictures.of(proposal.first), pictures.of(proposal.second), proposal.offset, _SLACK_PX)
            if match is not None:
                ties.append(Tie(first=proposal.first, second=proposal.second, offset=match.offset))
            tell("comparing", done, len(chosen))
    return ties


def _chosen(proposals: Sequence[Proposal], tried: set[Proposal], tries: int, labels: Sequence[int]) -> list[Proposal]:
    """The likeliest proposals between different groups that were not tried: so many that either picture has left."""
    left: dict[int, int] = {}
    chosen = []
    for proposal in proposals:
        first, second = proposal.first, proposal.second
        if proposal in tried or labels[first] == labels[second]:
            continue
        if max(left.get(first, tries), left.get(second, tries)) > 0:
            chosen.append(proposal)
            left[first], left[second] = left.get(first, tries) - 1, left.get(second, tries) - 1
    return chosen


def _labels(ties: Sequence[Tie], count: int) -> list[int]:
    labels: list[int] = connected_components(_graph(ties, count), directed=False)[1].tolist()
    return labels


def _graph(pairs: Sequence[Tie] | Sequence[Proposal], count: int) -> csr_matrix[np.float64]:
    first = np.array([pair.first for pair in pairs], np.intp)
    second = np.array([pair.second for pair in pairs], np.intp)
    ones = np.ones(2 * len(pairs))
    both = np.concatenate([first, second]), np.concatenate([second, first])
    return csr_matrix(coo_matrix((ones, both), shape=(count, count)))


def _in_order(proposals: Sequence[Proposal], count: int) -> Iterator[Proposal]:
    """Order pairs such that few pictures need to be held: after Cuthill and McKee, neighbours get near numbers."""
    place = np.empty(count, np.intp)
    place[reverse_cuthill_mckee(_graph(proposals, count), symmetric_mode=True)] = np.arange(count)
    return iter(sorted(proposals, key=lambda p: tuple(sorted((int(place[p.first]), int(place[p.second]))))))


class _Plane:
    """Pictures that are joined by ties, and where each lies in its group."""

    def __init__(self, sketches: Sequence[Sketch], view: Size, masks: Sequence[Rect]) -> None:
        self._sketches, self._view, self._masks = sketches, view, masks
        count = len(sketches)
        self._group = np.arange(count)
        """The number of each picture's group: one of its pictures."""
        self._members: dict[int, list[int]] = {number: [number] for number in range(count)}
        self._at = np.zeros((count, 2), np.int64)
        """Top left corners in the group's pixels, x and y."""
        self.ties: list[Tie] = []
        """Those that fit."""

    def group(self, picture: int) -> int:
        return int(self._group[picture])

    def place(self, picture: int) -> Offset:
        return Offset(dx_px=int(self._at[picture, 0]), dy_px=int(self._at[picture, 1]))

    def join(self, ties: Sequence[Tie]) -> list[Tie]:
        """Join all pictures that ties connect, and return the ties that were not believed.

        The surest go first. A tie that joins two groups is believed where other pictures of both, which would then
        overlap, show the same there; where they contradict it, it is not. Where there are none, it must be sure by
        itself. What was not believed is heard again whenever groups have grown.
        """
        waiting = sorted(ties, key=lambda tie: -self._squares(tie))
        refused: list[Tie] = []
        while waiting:
            unsure = []
            for tie in waiting:
                if self._group[tie.first] == self._group[tie.second]:
                    fits = self.place(tie.second) - self.place(tie.first) == tie.offset
                    (self.ties if fits else refused).append(tie)
                elif self._is_believed(tie):
                    self._merge(tie)
                    self.ties.append(tie)
                else:
                    unsure.append(tie)
            if len(unsure) == len(waiting):
                return refused + unsure
            waiting = unsure
        return refused

    def _squares(self, tie: Tie) -> int:
        return self._look(tie.first, tie.second, tie.offset).squares

    def _look(self, first: int, second: int, offset: Offset) -> Sighting:
        return look_again(self._sketches[first], self._sketches[second], offset, self._view, self._masks)

    def _is_believed(self, tie: Tie) -> bool:
        expected = seen = 0
        for first, second, offset in self._would_overlap(tie):
            sighting = self._look(first, second, offset)
            expected += sighting.expected
            seen += sighting.seen
        if expected < _WITNESSES:
            return self._squares(tie) >= _SURE_SQUARES
        return seen >= _SEEN_SHARE * expected

    def _would_overlap(self, tie: Tie) -> Iterator[tuple[int, int, Offset]]:
        """Yield other pairs of both groups' pictures that would overlap, those that would most first."""
        shift = self._shift(tie)
        ours = self._members[self.group(tie.first)]
        theirs = self._members[self.group(tie.second)]
        between = (self._at[theirs] + shift)[None, :, :] - self._at[ours][:, None, :]
        across = np.maximum(self._view.width_px - np.abs(between[..., 0]), 0)
        down = np.maximum(self._view.height_px - np.abs(between[..., 1]), 0)
        areas = (across * down).ravel()
        found = 0
        for pair in np.argsort(-areas, kind="stable")[: _MOST_WITNESSES + 1]:
            row, col = divmod(int(pair), len(theirs))
            if areas[pair] == 0 or found == _MOST_WITNESSES:
                return
            if (ours[row], theirs[col]) != (tie.first, tie.second):
                found += 1
                dx, dy = (int(part) for part in between[row, col])
                yield ours[row], theirs[col], Offset(dx_px=dx, dy_px=dy)

    def _shift(self, tie: Tie) -> NDArray[np.int64]:
        """From the second picture's group to the first one's."""
        offset = np.array([tie.offset.dx_px, tie.offset.dy_px])
        shift: NDArray[np.int64] = self._at[tie.first] + offset - self._at[tie.second]
        return shift

    def _merge(self, tie: Tie) -> None:
        here, there, shift = self.group(tie.first), self.group(tie.second), self._shift(tie)
        if len(self._members[here]) < len(self._members[there]):
            here, there, shift = there, here, -shift
        moved = self._members.pop(there)
        self._at[moved] += shift
        self._group[moved] = here
        self._members[here] += moved


def _root(same: Sequence[int], number: int) -> int:
    while same[number] != number:
        number = same[number]
    return number


def _of_originals(tie: Tie, same: Sequence[int]) -> Tie:
    """The same tie between the pictures that stay: a double lies where its original does."""
    return Tie(first=_root(same, tie.first), second=_root(same, tie.second), offset=tie.offset)


def _groups(
    names: Sequence[str], plane: _Plane, same: Sequence[int], view: Size
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Return the groups, the largest first, and the names of what is in none."""
    ties: dict[int, set[Tie]] = {}
    for tie in plane.ties:
        if tie.first != tie.second:
            forward = tie if tie.first < tie.second else Tie(first=tie.second, second=tie.first, offset=-tie.offset)
            ties.setdefault(plane.group(tie.first), set()).add(forward)
    groups = [_group(names, plane, sorted(inside, key=lambda t: (t.first, t.second)), view) for inside in ties.values()]
    large = [group for group in groups if len(group.pictures) >= MIN_GROUP]
    grouped = {picture.name for group in large for picture in group.pictures}
    strays = tuple(name for number, name in enumerate(names) if _root(same, number) == number and name not in grouped)
    return tuple(sorted(large, key=lambda group: (-len(group.pictures), group.pictures[0].name))), strays


def _group(names: Sequence[str], plane: _Plane, ties: Sequence[Tie], view: Size) -> Group:
    layout = lay_out(ties, view)
    places: Mapping[int, Offset] = {number: plane.place(number) for number in layout.cells}
    left, top = min(p.dx_px for p in places.values()), min(p.dy_px for p in places.values())
    pictures = [
        Arranged(
            name=names[number],
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
