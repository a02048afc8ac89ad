"""Pictures in no order to groups that overlap, each laid out in a grid, and what belongs to none.

Which two pictures may show one place is proposed by `sketch`, and where compression or scaling left no patch in common,
by `resemblance`; `comparison` verifies it on the pictures themselves, and `plane` holds it against all others.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_mosaic.comparison import Load, OnProgress, Overlays, Pictures, labels, verified
from imageflow_mosaic.foreign import foreign_pairs
from imageflow_mosaic.groups import Group, groups_of
from imageflow_mosaic.layout import Tie
from imageflow_mosaic.looks import Look, distinguished, look_at
from imageflow_mosaic.plane import Plane
from imageflow_mosaic.rescaled import SCALES, find_rescaled
from imageflow_mosaic.resemblance import Pairs
from imageflow_mosaic.sketch import Sketch, propose, without_patches
from imageflow_mosaic.witnesses import NEAR_PX, SURE_SUBWINDOWS, ContentTies, hearing_by_patches

_SLACK_PX = 2
"""How far around an offset that patches propose the verification looks."""

_THREADS = 2


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
    """The outcome of pictures in no order: each is in a group, in none (a stray), or a duplicate (a double)."""

    groups: tuple[Group, ...]
    """The largest first."""
    strays: tuple[str, ...]
    doubles: tuple[Double, ...]
    rescaled: tuple[Rescaled, ...]
    """Strays, and one picture of a smaller group, that show what another one shows at another scale."""
    doubts: tuple[Doubt, ...]


def _say_nothing(what: str, done: int, total: int) -> None:
    """Ignore the progress."""


def arrange(
    names: Sequence[str],
    load: Load,
    masks: Sequence[Rect] = (),
    on_progress: OnProgress = _say_nothing,
    *,
    most_by_content: int | None = None,
) -> Arrangement:
    """Find out how pictures lie to one another.

    Every picture is read once to be sketched, and again, a few times at most, to be compared with those that its
    sketch resembles: the work grows with the pictures, not with their pairs. Pictures that have no patch in common
    with most others, because they were compressed with loss or scaled, are correlated with all, at an eighth of the
    size: half a millisecond a pair.

    Args:
        names: Of all pictures; their order decides nothing but which of two equal ones stays.
        load: Reads one: RGB, shape (height, width, 3), of any size. Called from two threads.
        masks: Rectangles of the head-up display in every picture.
        on_progress: Called with "looking", "comparing", and where pixels differ everywhere, "correlating" and
            "rescaling".
        most_by_content: Pictures whose pixels differ everywhere that are correlated; `None` for any number.

    Raises:
        InvalidInput: For more of them.
    """
    order = sorted(names)
    if not order:
        return Arrangement(groups=(), strays=(), doubles=(), rescaled=(), doubts=())
    with ThreadPoolExecutor(_THREADS) as threads:
        looks, same = _looked(order, load, masks, on_progress, threads)
        overlays = Overlays(order, [look.thumbnail.size for look in looks], load, masks)
        held = Pictures(order, load, masks, overlays)
        sketches = [look.sketch for look in looks]
        proposals = [p for p in propose(sketches) if same[p.first] == p.first and same[p.second] == p.second]
        apart = distinguished(list(verified(proposals, len(order), held, _SLACK_PX, on_progress)), looks)
        for double in apart.doubles:
            _note_double(double, same)
        known = [*apart.overlaps, *apart.doubles]
        foreign = _foreign(looks, same, known)
        lossy = int(np.count_nonzero(foreign.any(axis=1)))
        if most_by_content is not None and lossy > most_by_content:
            raise InvalidInput(
                f"{lossy} frames were compressed with loss or scaled, so that they are compared one by one with all "
                f"others: no more than {most_by_content} are compared here. Survey the folder with `imageflow survey "
                "run`, which compares any number, or upload a positions.csv with them."
            )
        content = ContentTies(looks, foreign, held, known, threads, on_progress) if foreign.any() else None
        plane = Plane([look.thumbnail.size for look in looks])
        refused = [*apart.displays, *_joined(plane, sketches, masks, apart.overlaps, content, same)]
        groups = groups_of(order, [look.thumbnail.size for look in looks], plane)
        strays = _strays(order, groups, same)
        rescaled = _rescaled(order, groups, strays, foreign, looks, held, masks, threads, on_progress)
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
    names: Sequence[str], load: Load, masks: Sequence[Rect], on_progress: OnProgress, threads: Executor
) -> tuple[list[Look], list[int]]:
    """Return what is held of all pictures, and for each picture the first one of equal pixels."""

    def look(name: str) -> tuple[Look, tuple[bytes, tuple[int, ...]]]:
        pixels = load(name)
        return look_at(pixels, masks), (hashlib.blake2b(pixels.data).digest(), pixels.shape)

    looks: list[Look] = []
    same: list[int] = []
    first: dict[tuple[bytes, tuple[int, ...]], int] = {}
    for number, (found, identity) in enumerate(threads.map(look, names)):
        same.append(first.setdefault(identity, number))
        # What is seen twice would outvote what overlaps.
        looks.append(found if same[number] == number else replace(found, sketch=without_patches(found.sketch)))
        on_progress("looking", number + 1, len(names))
    return looks, same


def _foreign(looks: Sequence[Look], same: Sequence[int], ties: Sequence[Tie]) -> Pairs:
    """Return which pairs of pictures without a tie may be compared by their content alone."""
    group = np.array(labels(ties, len(looks)))
    original = np.array([_root(same, number) == number for number in range(len(looks))])
    if np.unique(group[original]).size == 1:
        return np.zeros((len(looks),) * 2, np.bool_)
    foreign = foreign_pairs(
        [look.distinctive for look in looks],
        [look.has_palette for look in looks],
        [(tie.first, tie.second) for tie in ties],
    )
    foreign &= (group[:, None] != group[None, :]) & original[:, None] & original[None, :]
    return foreign


def _joined(
    plane: Plane,
    sketches: Sequence[Sketch],
    masks: Sequence[Rect],
    ties: Sequence[Tie],
    content: ContentTies | None,
    same: list[int],
) -> list[Tie]:
    """Join all pictures that ties connect, those whose pixels are equal first; return what was not believed."""

    exact = hearing_by_patches(sketches, masks)
    for tie in content.doubles if content else ():
        _note_double(tie, same)
    refused = plane.join([_of_originals(tie, same) for tie in ties], exact)
    if content is None:
        return refused
    unsure = plane.join([_of_originals(tie, same) for tie in content.overlaps], content.hearing)
    refused = plane.join(refused, replace(exact, slack_px=NEAR_PX))
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


def _strays(names: Sequence[str], groups: Sequence[Group], same: Sequence[int]) -> tuple[str, ...]:
    grouped = {picture.name for group in groups for picture in group.pictures}
    return tuple(name for number, name in enumerate(names) if same[number] == number and name not in grouped)


def _rescaled(
    names: Sequence[str],
    groups: Sequence[Group],
    strays: Sequence[str],
    foreign: Pairs,
    looks: Sequence[Look],
    held: Pictures,
    masks: Sequence[Rect],
    threads: Executor,
    on_progress: OnProgress,
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
        SURE_SUBWINDOWS,
        threads,
        lambda done: on_progress("rescaling", done, len(SCALES)),
    )
    return tuple(
        Rescaled(name=names[one.picture], of=names[one.of], scale=one.scale)
        for one in found
        if groups or one.scale > 1  # of two strays the larger one
    )
