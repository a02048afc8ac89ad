"""Two screenshots to the offset between them: patches vote, equality of pixels decides.

Where pixels differ slightly everywhere, as JPEG and scaling make them, `by_content` decides instead. Which of the two
it is, the two screenshots alone tell: screenshots without loss have patches in common, even where they show different
places, because a game draws its map from the same sprites all over.

The vote is a Hough transform over patches that occur once in either picture's part that can overlap; see D. Ballard,
"Generalizing the Hough transform to detect arbitrary shapes" (1981). Screenshots of a game repeat their pixels exactly,
so that a candidate can be held against every pixel of the overlap.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset, Rect
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairOffset, PairRefusal
from imageflow_mosaic.agreement import Agreement, agreement_at, overlap
from imageflow_mosaic.by_content import ContentMatch, register_by_content
from imageflow_mosaic.content import Pairing
from imageflow_mosaic.correlation import MIN_OVERLAP_PX
from imageflow_mosaic.fingerprint import COARSE, FINE, PATCH_PX, Fingerprint, Patches
from imageflow_mosaic.subwindows import SIDE_PX

MIN_VOTES = {COARSE: 24, FINE: 48}
"""By density of the sample: fewer patches than these prove nothing, whatever the pixels say."""

_MIN_LEAD = 2
"""The winner must have so many times the runner-up's votes."""

_MIN_EXTENT_PX = 96
"""Votes that lie closer together may all come from one sprite, and sprites repeat."""

_MIN_SQUARES = 4
_SQUARE_PX = 32
"""Votes must come from so many squares of this side."""

CONTRADICTIONS = {COARSE: 3, FINE: 24}
"""By density of the sample: so many patches seen elsewhere refute an offset."""

FOREIGN_SHARE = 0.4
"""Where fewer patches of either picture occur in the other one, pixels differ everywhere.

Measured on neighbours that do not register exactly: at least 0.62 without loss, at most 0.13 with it.
"""

_DECIDING_PATCHES = 64
"""So many patches tell whether pixels differ everywhere."""

_COMPARED_PATCHES = 2048
"""About so many of either picture are looked for in the other one."""

_DECISIVE_SUBWINDOWS = 24
"""Sub-windows that must refute every other offset for one found by content to count as decisive."""

_LATTICE = 16
"""Offsets within reach are looked at in so many steps on each axis."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """A verified offset of one picture from another. Its fields mean what `PairOffset` says."""

    offset: Offset
    votes: int
    agreement: float
    compared_px: int
    decisive: bool
    """Every other offset within reach is refuted by patches that it would have to show, and does not."""
    rest_x_px: float = 0.0
    rest_y_px: float = 0.0
    sigma_px: float = 0.0
    noise: float = 0.0

    def between(self, reference: Cell, moving: Cell) -> PairOffset:
        """Return it as the offset between two cells of a grid."""
        return PairOffset(
            reference=reference,
            moving=moving,
            offset=self.offset,
            votes=self.votes,
            agreement=self.agreement,
            compared_px=self.compared_px,
            decisive=self.decisive,
            rest_x_px=self.rest_x_px,
            rest_y_px=self.rest_y_px,
            sigma_px=self.sigma_px,
            noise=self.noise,
        )


def register(reference: Fingerprint, moving: Fingerprint, expected: Offset, reach_px: int) -> Match | None:
    """Return the offset at which `moving` continues `reference`, as `look` does; `None` where it gives a reason."""
    found = look(reference, moving, expected, reach_px)
    return found if isinstance(found, Match) else None


def look(reference: Fingerprint, moving: Fingerprint, expected: Offset, reach_px: int) -> Match | PairRefusal:
    """Return the offset at which `moving` continues `reference`, or why none is verified.

    Patches that are unique in both overlap windows vote; the winner must have twice the runner-up's votes, from places
    that no single sprite covers, and the pixels of the overlap must be equal there. A sparse sample goes first, and
    a denser one where it does not suffice. Where next to no patch of one picture occurs in the other one, and not both
    were drawn from a palette, they were compressed with loss or scaled: content is compared instead.

    Args:
        expected: Where `moving`'s top left corner is believed to lie, in pixels of `reference`.
        reach_px: Largest error of `expected`, on either axis.

    Returns:
        Never an offset that was merely likely: a reason where nothing distinctive is seen in both, such as open water.
    """
    windows = _windows(reference, moving, expected, reach_px)
    if windows is None:
        return PairRefusal.LITTLE_OVERLAP
    there, here = _inside(reference.coarse, windows[0]), _inside(moving.coarse, windows[1])
    found = _judged(reference, moving, _Ballot(there, here, expected, reach_px), COARSE)
    if isinstance(found, Match):
        return found
    foreign = _are_foreign(reference, there, moving, here)
    if not foreign:
        there = reference.sample(windows[0], one_in=FINE)
        here = moving.sample(windows[1], one_in=FINE)
        found = _judged(reference, moving, _Ballot(there, here, expected, reach_px), FINE)
        if isinstance(found, Match):
            return found
        if foreign is None:
            foreign = _are_foreign(reference, there, moving, here)
    if foreign:
        pairing = Pairing(reference=reference.content, moving=moving.content, expected=expected)
        seen = register_by_content([pairing], reach_px)
        if isinstance(seen, ContentMatch):
            return _by_content(expected, seen)
        found = seen
    return PairRefusal.LITTLE_OVERLAP if _overlap_px(reference, moving, expected) < MIN_OVERLAP_PX else found


def differ_everywhere(reference: Fingerprint, moving: Fingerprint) -> bool | None:
    """Whether two pictures have next to no patch in common, as compression and scaling leave them.

    `None` where they show too little to tell.
    """
    return _are_foreign(reference, reference.coarse, moving, moving.coarse)


def _are_foreign(reference: Fingerprint, there: Patches, moving: Fingerprint, here: Patches) -> bool | None:
    """Whether samples of two pictures have next to no patch in common though not both were drawn from a palette.

    `None` where the samples are too small to tell.
    """
    if min(there.hashes.size, here.hashes.size) < _DECIDING_PATCHES:
        return None
    # Chosen by the patch itself, so that both pictures choose the same.
    every = np.uint32(max(1, min(there.hashes.size, here.hashes.size) // _COMPARED_PATCHES))
    mine, theirs = (hashes[hashes % every == 0] for hashes in (there.hashes, here.hashes))
    if min(mine.size, theirs.size) == 0:
        return None
    shares = np.isin(mine, theirs).mean(), np.isin(theirs, mine).mean()
    return bool(max(shares) < FOREIGN_SHARE) and not (reference.has_palette and moving.has_palette)


def _by_content(expected: Offset, found: ContentMatch) -> Match:
    compared = found.agreeing + found.contradicting
    return Match(
        offset=expected + found.shift,
        votes=found.agreeing,
        agreement=found.agreeing / compared,
        compared_px=compared * SIDE_PX**2,
        decisive=found.refuting >= _DECISIVE_SUBWINDOWS,
        rest_x_px=found.dx_px,
        rest_y_px=found.dy_px,
        sigma_px=found.sigma_px,
        noise=found.noise,
    )


class _Ballot:
    """The vote of two samples, and what speaks for its winner."""

    def __init__(self, reference: Patches, moving: Patches, expected: Offset, reach_px: int) -> None:
        self.expected, self.reach_px = expected, reach_px
        self.patches = min(reference.hashes.size, moving.hashes.size)
        at, to = _shared(reference.hashes, moving.hashes)
        dx = reference.x_px[at] - moving.x_px[to]
        dy = reference.y_px[at] - moving.y_px[to]
        near = (np.abs(dx - expected.dx_px) <= reach_px) & (np.abs(dy - expected.dy_px) <= reach_px)
        dx, dy, at = dx[near], dy[near], at[near]
        keys = (dy - (expected.dy_px - reach_px)) * np.int32(2 * reach_px + 1) + dx - (expected.dx_px - reach_px)
        choices, first, counts = np.unique(keys, return_index=True, return_counts=True)
        self.votes = self.runner_up = 0
        self.offset = expected
        if choices.size == 0:
            return
        winner = int(np.argmax(counts))
        self.votes = int(counts[winner])
        self.runner_up = int(np.delete(counts, winner).max(initial=0))
        self.offset = Offset(dx_px=int(dx[first[winner]]), dy_px=int(dy[first[winner]]))
        voters = at[keys == choices[winner]]
        self.x_px, self.y_px = reference.x_px[voters], reference.y_px[voters]

    @property
    def is_spread(self) -> bool:
        """Whether the votes come from farther apart than one sprite is wide."""
        squares = np.unique(self.y_px // _SQUARE_PX * np.int32(1 << 16) + self.x_px // _SQUARE_PX)
        extent_px = max(np.ptp(self.x_px), np.ptp(self.y_px))
        return bool(squares.size >= _MIN_SQUARES and extent_px >= _MIN_EXTENT_PX)

    def refutes_all_others(self, reference: Fingerprint, moving: Fingerprint, contradictions: int) -> bool:
        """Whether at every other offset within reach enough winning patches would have to be seen elsewhere."""
        seen = _seen(self.x_px, self.y_px, reference, moving, self.expected, self.reach_px)
        moved_x, moved_y = self.x_px - self.offset.dx_px, self.y_px - self.offset.dy_px
        other = _seen(moved_x, moved_y, moving, reference, -self.expected, self.reach_px)
        return bool(np.maximum(seen, other[::-1, ::-1]).min() >= contradictions)


def _judged(reference: Fingerprint, moving: Fingerprint, ballot: _Ballot, density: int) -> Match | PairRefusal:
    if ballot.patches < MIN_VOTES[density]:
        return PairRefusal.PLAIN
    if ballot.votes < MIN_VOTES[density] or ballot.votes < _MIN_LEAD * ballot.runner_up or not ballot.is_spread:
        return PairRefusal.REPEATED
    agreement = agreement_at(reference, moving, ballot.offset)
    if not agreement.holds:
        return PairRefusal.DIFFERENT
    return _match(ballot, agreement, decisive=ballot.refutes_all_others(reference, moving, CONTRADICTIONS[density]))


def _match(ballot: _Ballot, agreement: Agreement, *, decisive: bool) -> Match:
    return Match(
        offset=ballot.offset,
        votes=ballot.votes,
        agreement=agreement.share,
        compared_px=agreement.compared_px,
        decisive=decisive,
    )


def _overlap_px(reference: Fingerprint, moving: Fingerprint, expected: Offset) -> int:
    """The shorter side of what both pictures show where they are believed to lie."""
    part = overlap(reference, expected, moving)
    return 0 if part is None else min(part.width_px, part.height_px)


def _windows(reference: Fingerprint, moving: Fingerprint, expected: Offset, reach_px: int) -> tuple[Rect, Rect] | None:
    """The parts of both pictures that overlap at any offset within reach; `None` where none does."""
    seen = _window(reference, moving, expected, reach_px)
    other = _window(moving, reference, -expected, reach_px)
    return None if seen is None or other is None else (seen, other)


def _window(picture: Fingerprint, other: Fingerprint, expected: Offset, reach_px: int) -> Rect | None:
    left, top = max(0, expected.dx_px - reach_px), max(0, expected.dy_px - reach_px)
    right = min(picture.width_px, expected.dx_px + reach_px + other.width_px)
    bottom = min(picture.height_px, expected.dy_px + reach_px + other.height_px)
    if right - left < PATCH_PX or bottom - top < PATCH_PX:
        return None
    return Rect(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top)


def _inside(patches: Patches, window: Rect) -> Patches:
    """The patches that lie inside `window` whole."""
    first, last = np.searchsorted(patches.y_px, (window.y_px, window.bottom_px - PATCH_PX + 1))
    x = patches.x_px[first:last]
    inside = (x >= window.x_px) & (x <= window.right_px - PATCH_PX)
    return Patches(x_px=x[inside], y_px=patches.y_px[first:last][inside], hashes=patches.hashes[first:last][inside])


def _shared(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where hashes that occur exactly once in both arrays lie in the one and in the other."""
    once, at = _once(first)
    twice, to = _once(second)
    if once.size == 0 or twice.size == 0:
        return at[:0], to[:0]
    place = np.searchsorted(twice, once)
    place[place == twice.size] = 0
    equal = twice[place] == once
    return at[equal], to[place[equal]]


def _once(hashes: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """The hashes that occur exactly once, sorted, and where."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    differs = np.ones(ordered.size + 1, np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=differs[1:-1])
    alone = differs[1:] & differs[:-1]
    return ordered[alone], order[alone]


def _seen(
    x_px: NDArray[np.int32],
    y_px: NDArray[np.int32],
    picture: Fingerprint,
    other: Fingerprint,
    expected: Offset,
    reach_px: int,
) -> NDArray[np.float32]:
    """How many of the patches at `x_px`, `y_px` of `picture` lie inside its overlap with `other`.

    Counted for each of a lattice of offsets within reach of `expected`, rows by dy; never too many.
    """
    spacing = 2 * reach_px / _LATTICE
    slack = spacing / 2
    steps = np.linspace(-reach_px, reach_px, _LATTICE + 1, dtype=np.float32)[:, None]
    inside = []
    for place, size, other_size, middle in (
        (x_px, picture.width_px, other.width_px, expected.dx_px),
        (y_px, picture.height_px, other.height_px, expected.dy_px),
    ):
        begin, end = np.maximum(middle + steps + slack, 0), np.minimum(middle + steps - slack + other_size, size)
        # An offset that leaves the picture's edge alone loses nothing there to the lattice's spacing.
        begin = np.where(middle + steps + slack <= 0, 0, begin)
        inside.append(((place >= begin) & (place + PATCH_PX <= end)).astype(np.float32))
    along, down = inside
    counts: NDArray[np.float32] = down @ along.T
    return counts
