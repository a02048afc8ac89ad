"""Pictures in no order to groups that overlap, each laid out in a grid, and what belongs to none.

Which two pictures may show one place is proposed by `sketch`, and where compression or scaling left no patch in common,
by `resemblance`; `comparison` verifies it on the pictures themselves, and `plane` holds it against all others.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from imageflow_domain.geometry import Offset, Position, Rect, Size
from imageflow_domain.grid import Cell
from imageflow_mosaic.comparison import Load, Pictures, Tell, labels, verified
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.foreign import Hashes, foreign_pairs, telling
from imageflow_mosaic.layout import Tie, lay_out
from imageflow_mosaic.plane import Hearing, Plane
from imageflow_mosaic.rescaled import SCALES, find_rescaled
from imageflow_mosaic.resemblance import Pairs, resemblances
from imageflow_mosaic.sketch import Sketch, look_again, propose, sketch, without_patches
from imageflow_mosaic.thumbnail import Thumbnail, show_the_same, thumbnail

MIN_GROUP = 2
"""Pictures that overlap no other are strays; two that do are a map already."""

_SLACK_PX = 2
"""How far around an offset that patches propose the verification looks."""

_SURE_SQUARES = 14
"""Squares of 64 px that a tie must show the same in to be believed without other witnesses: no sprite fills so many."""

_WITNESSES = 24
"""Patches by which other pictures confirm or contradict a tie."""

_SEEN_SHARE = 0.3
"""Of them that must be seen. Where a tie is right three in four are, where it is wrong next to none."""

_SURE_SUBWINDOWS = 150
"""Sub-windows that agree on a tie to be believed without other witnesses, where pixels differ everywhere: among 1,400
proposals of real frames the wrong ones that registration did not refute had 87 at most."""

_WITNESSING = 10_000
"""Squared grey levels of thumbnails by which other pictures confirm or contradict such a tie: 8,000 px of land."""

_ALIKE = 0.5
"""Correlation of them that confirms it."""

_FOR_EACH_AGAINST = 4
"""Sub-windows that must agree for each that contradicts: coasts look alike, but for a tree."""

_LEAST_SUBWINDOWS = 40
"""Sub-windows that agree on a tie to be believed because of other pictures."""

_NEAR_PX = 3.0
"""How far such a tie may be off in a group: errors of a tenth of a pixel add up along chains."""

_THREADS = 2


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


@dataclass(frozen=True, kw_only=True)
class Double:
    """A picture that shows the same as another, at the same place."""

    name: str
    of: str


@dataclass(frozen=True, kw_only=True)
class Rescaled:
    """A picture that shows the same place as another, larger or smaller."""

    name: str
    of: str
    scale: float
    """How many times as large it shows the place."""


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
    rescaled: tuple[Rescaled, ...]
    """Strays, and one picture of a smaller group, that show what another one shows at another scale."""
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Look:
    """What is held of each picture."""

    sketch: Sketch
    thumbnail: Thumbnail
    telling: Hashes


def _say_nothing(what: str, done: int, total: int) -> None:
    """Nobody listens."""


def arrange(names: Sequence[str], load: Load, masks: Sequence[Rect] = (), tell: Tell = _say_nothing) -> Arrangement:
    """Find out how pictures lie to one another.

    Every picture is read once to be sketched, and again, a few times at most, to be compared with those that its
    sketch resembles: the work grows with the pictures, not with their pairs. Pictures that have no patch in common
    with most others, because they were compressed with loss or scaled, are correlated with all, at an eighth of the
    size: half a millisecond a pair.

    Args:
        names: Of all pictures; their order decides nothing but which of two equal ones stays.
        load: Reads one: RGB, shape (height, width, 3), of any size. Called from two threads.
        masks: Rectangles of the head-up display in every picture.
        tell: Hears of "looking", "comparing", and where pixels differ everywhere of "correlating" and "rescaling".
    """
    order = sorted(names)
    if not order:
        return Arrangement(groups=(), strays=(), doubles=(), rescaled=(), doubts=())
    with ThreadPoolExecutor(_THREADS) as threads:
        looks, same = _looked(order, load, masks, tell, threads)
        held = Pictures(order, load, masks)
        sketches = [look.sketch for look in looks]
        proposals = [p for p in propose(sketches) if same[p.first] == p.first and same[p.second] == p.second]
        ties = verified(proposals, len(order), held, _SLACK_PX, tell)
        for tie in ties:
            if tie.offset == Offset(dx_px=0, dy_px=0) and sketches[tie.first].view == sketches[tie.second].view:
                _note_double(tie, same)
        foreign = _foreign(looks, same, ties)
        content = _Content(looks, foreign, held, ties, threads, tell) if foreign.any() else None
        plane = Plane([look.thumbnail.size for look in looks])
        refused = _joined(plane, sketches, masks, ties, content, same)
        groups, strays = _groups(order, plane, same, looks)
        rescaled = _rescaled(order, groups, strays, foreign, looks, held, masks, threads, tell)
    return Arrangement(
        groups=groups,
        strays=strays,
        doubles=tuple(
            Double(name=name, of=order[_root(same, number)])
            for number, name in enumerate(order)
            if _root(same, number) != number
        ),
        rescaled=rescaled,
        doubts=tuple(Doubt(first=order[tie.first], second=order[tie.second]) for tie in refused),
    )


def _looked(
    names: Sequence[str], load: Load, masks: Sequence[Rect], tell: Tell, threads: Executor
) -> tuple[list[_Look], list[int]]:
    """Return what is held of all pictures, and for each picture the first one of equal pixels."""

    def look(name: str) -> tuple[_Look, tuple[bytes, tuple[int, ...]]]:
        pixels = load(name)
        picture = fingerprint(pixels, masks)
        found = _Look(sketch=sketch(picture), thumbnail=thumbnail(pixels, masks), telling=telling(picture))
        return found, (hashlib.blake2b(pixels.data).digest(), pixels.shape)

    looks: list[_Look] = []
    same: list[int] = []
    first: dict[tuple[bytes, tuple[int, ...]], int] = {}
    for number, (found, identity) in enumerate(threads.map(look, names)):
        same.append(first.setdefault(identity, number))
        # What is seen twice would outvote what overlaps.
        looks.append(found if same[number] == number else replace(found, sketch=without_patches(found.sketch)))
        tell("looking", number + 1, len(names))
    return looks, same


def _foreign(looks: Sequence[_Look], same: Sequence[int], ties: Sequence[Tie]) -> Pairs:
    """Return which pairs of pictures that nothing ties together yet may be told by their content alone."""
    foreign = foreign_pairs([look.telling for look in looks], [(tie.first, tie.second) for tie in ties])
    group = np.array(labels(ties, len(looks)))
    original = np.array([_root(same, number) == number for number in range(len(looks))])
    foreign &= (group[:, None] != group[None, :]) & original[:, None] & original[None, :]
    return foreign


class _Content:
    """What the content of pictures tells whose pixels differ everywhere."""

    def __init__(
        self,
        looks: Sequence[_Look],
        foreign: Pairs,
        held: Pictures,
        known: Sequence[Tie],
        threads: Executor,
        tell: Tell,
    ) -> None:
        thumbnails = [look.thumbnail for look in looks]
        count = len(looks)
        self.near = resemblances(thumbnails)
        proposals = self.near.propose(foreign, threads, lambda done: tell("correlating", done, count))
        self.ties: list[Tie] = []
        self.doubles: list[Tie] = []
        self.displays: list[Tie] = []
        """Pictures that agree where they would lie upon each other, but not all over: a panel stands in both."""
        for tie in verified(proposals, count, held, self.near.reach_px, tell, known):
            size, other = thumbnails[tie.first].size, thumbnails[tie.second].size
            if size != other or max(map(abs, tie.precise)) > _NEAR_PX:
                self.ties.append(tie)
            elif show_the_same(thumbnails[tie.first], thumbnails[tie.second]):
                self.doubles.append(tie)
            else:
                self.displays.append(tie)


def _joined(
    plane: Plane,
    sketches: Sequence[Sketch],
    masks: Sequence[Rect],
    ties: Sequence[Tie],
    content: _Content | None,
    same: list[int],
) -> list[Tie]:
    """Join all pictures that ties connect, those whose pixels are equal first; return what was not believed."""

    def squares(tie: Tie) -> int:
        return look_again(sketches[tie.first], sketches[tie.second], tie.offset, masks).squares

    exact = Hearing(
        look=lambda first, second, offset: look_again(sketches[first], sketches[second], offset, masks),
        enough=_WITNESSES,
        worth=squares,
        seen_share=_SEEN_SHARE,
        sure=_SURE_SQUARES,
        least=0,
        slack_px=0.0,
    )
    for tie in content.doubles if content else ():
        _note_double(tie, same)
    refused = plane.join([_of_originals(tie, same) for tie in ties], exact)
    if content is None:
        return refused
    by_content = Hearing(
        look=content.near.look,
        enough=_WITNESSING,
        worth=lambda tie: tie.agreeing - _FOR_EACH_AGAINST * tie.contradicting,
        seen_share=_ALIKE,
        sure=_SURE_SUBWINDOWS,
        least=_LEAST_SUBWINDOWS,
        slack_px=_NEAR_PX,
    )
    unsure = plane.join([_of_originals(tie, same) for tie in content.ties], by_content)
    refused = plane.join(refused, replace(exact, slack_px=_NEAR_PX))
    plane.settle()
    return [*refused, *unsure, *content.displays]


def _note_double(tie: Tie, same: list[int]) -> None:
    first, second = _root(same, tie.first), _root(same, tie.second)
    same[max(first, second)] = min(first, second)


def _root(same: Sequence[int], number: int) -> int:
    while same[number] != number:
        number = same[number]
    return number


def _of_originals(tie: Tie, same: Sequence[int]) -> Tie:
    """The same tie between the pictures that stay: a double lies where its original does."""
    return replace(tie, first=_root(same, tie.first), second=_root(same, tie.second))


def _groups(
    names: Sequence[str], plane: Plane, same: Sequence[int], looks: Sequence[_Look]
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Return the groups, the largest first, and the names of what is in none."""
    ties: dict[int, dict[tuple[int, int], Tie]] = {}
    for tie in plane.ties:
        if tie.first != tie.second:
            forward = tie if tie.first < tie.second else tie.reversed
            ties.setdefault(plane.group(tie.first), {}).setdefault((forward.first, forward.second), forward)
    groups = [_group(names, plane, [inside[pair] for pair in sorted(inside)], looks) for inside in ties.values()]
    large = [group for group in groups if len(group.pictures) >= MIN_GROUP]
    grouped = {picture.name for group in large for picture in group.pictures}
    strays = tuple(name for number, name in enumerate(names) if _root(same, number) == number and name not in grouped)
    return tuple(sorted(large, key=lambda group: (-len(group.pictures), group.pictures[0].name))), strays


def _group(names: Sequence[str], plane: Plane, ties: Sequence[Tie], looks: Sequence[_Look]) -> Group:
    members = {number for tie in ties for number in (tie.first, tie.second)}
    view = Size(
        width_px=max(looks[number].thumbnail.size.width_px for number in members),
        height_px=max(looks[number].thumbnail.size.height_px for number in members),
    )
    layout = lay_out(ties, view)
    places: Mapping[int, Offset] = {number: plane.place(number) for number in layout.cells}
    left, top = min(p.dx_px for p in places.values()), min(p.dy_px for p in places.values())
    pictures = [
        Arranged(
            name=names[number],
            size=looks[number].thumbnail.size,
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


def _rescaled(
    names: Sequence[str],
    groups: Sequence[Group],
    strays: Sequence[str],
    foreign: Pairs,
    looks: Sequence[_Look],
    held: Pictures,
    masks: Sequence[Rect],
    threads: Executor,
    tell: Tell,
) -> tuple[Rescaled, ...]:
    """Return what shows the same as a picture of a group at another scale; without groups, as another stray."""
    number_of = {name: number for number, name in enumerate(names)}
    alone = [number_of[name] for name in (*strays, *(group.pictures[0].name for group in groups[1:]))]
    tried = [number for number in sorted(alone) if foreign[number].any()]
    against = [number_of[picture.name] for group in groups for picture in group.pictures] or tried
    if not tried:
        return ()
    found = find_rescaled(
        tried,
        {number: looks[number].thumbnail for number in against},
        held,
        masks,
        _SURE_SUBWINDOWS,
        threads,
        lambda done: tell("rescaling", done, len(SCALES)),
    )
    return tuple(
        Rescaled(name=names[one.picture], of=names[one.of], scale=one.scale)
        for one in found
        if groups or one.scale > 1  # of two strays the larger one
    )
