"""Which of many pictures may show the same place, and how they would lie to one another: an inverted index of patches.

What it proposes is only likely; `registration` verifies it. Nothing here needs a picture's pixels any more, so that
thousands of pictures are held at once.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.fingerprint import FINE, PATCH_PX, Fingerprint, Patches

_AROUND = tuple(
    (round(radius * math.cos(turn)), round(radius * math.sin(turn)))
    for radius, turns in ((20, 5), (40, 9))
    for turn in (2 * math.pi * number / turns for number in range(turns))
)
"""Pixels around a patch, seen from its corner, that a rare hash tells as well: sprites repeat, their order seldom."""

_REACH_PX = 40
_ODD = np.uint32(0x9E3779B1)

_PATCHES = 2048
"""Kept of each picture: those of the smallest hashes, so that two pictures of one place keep the same ones."""

_MOST_VOTES = 8_000_000
"""Pairs of equal patches that are counted; the rarest hashes go first."""

_MIN_SCORE = 3.0
"""Below this, equal patches are a matter of luck. A hash that only two pictures have counts 1."""

_OFFSETS_A_PAIR = 2
"""Of each pair the best ones are proposed: a sprite that both show may outvote a narrow overlap."""

_SQUARE_PX = 64

_HALF = 1 << 15
"""Added to offsets, which then fit 16 bits without a sign."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sketch:
    """The few patches of one picture by which it is found among many; each occurs once in it. By hash."""

    view: Rect
    """All of the picture."""
    x_px: NDArray[np.int16]
    y_px: NDArray[np.int16]
    hashes: NDArray[np.uint32]
    rare: Patches
    """Patches whose hashes tell what stands around them as well: found again among thousands of pictures."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Two pictures that may overlap."""

    first: int
    second: int
    """Numbers of the pictures, `first` below `second`."""
    offset: Offset
    """Where the second one's top left corner would lie, in pixels of the first."""
    score: float
    """Equal patches that agree on it; one whose hash k pictures have counts 1 / (k - 1)."""


@dataclass(frozen=True, kw_only=True)
class SketchMatch:
    """What two sketches say about an offset between their pictures."""

    expected: int
    """Patches of either one that the other one would have to show as well."""
    seen: int
    """Of them, those that it does show, where they would have to be."""
    squares: int
    """Squares of 64 px that the seen ones come from: few where all may belong to one sprite, which may repeat."""


def sketch(picture: Fingerprint) -> Sketch:
    """Return the sketch of a picture; masked parts are not in it.

    Where the sparse sample has few distinctive patches, as on a shore, a denser one fills up.
    """
    numbers = picture.numbers(picture.rect)
    plain = _once(picture.coarse)
    rare = _once(_with_surroundings(picture.coarse, numbers, picture.masks))
    if plain.hashes.size < _PATCHES:
        sample = picture.sample(picture.rect, one_in=FINE)
        plain = _filled(plain, _once(sample))
        rare = _filled(rare, _once(_with_surroundings(sample, numbers, picture.masks)))
    plain, rare = _smallest(plain, _PATCHES), _smallest(rare, _PATCHES)
    return Sketch(
        view=picture.rect,
        x_px=plain.x_px.astype(np.int16),
        y_px=plain.y_px.astype(np.int16),
        hashes=plain.hashes,
        rare=rare,
    )


def without_patches(of: Sketch) -> Sketch:
    """Return the sketch of a picture that is not to be found: what is seen twice would outvote what overlaps."""
    nothing = _taken(of.rare, np.zeros(0, np.intp))
    return Sketch(view=of.view, x_px=of.x_px[:0], y_px=of.y_px[:0], hashes=of.hashes[:0], rare=nothing)


def _filled(sparse: Patches, dense: Patches) -> Patches:
    """As many patches of a denser sample added as a sketch still holds."""
    new = ~np.isin(dense.hashes, sparse.hashes)
    return _joined(sparse, _smallest(_taken(dense, new), max(0, _PATCHES - sparse.hashes.size)))


def look_again(first: Sketch, second: Sketch, offset: Offset, masks: Sequence[Rect] = ()) -> SketchMatch:
    """Return what two sketches say about an offset: nearly all that is expected is seen there, or next to nothing.

    Args:
        offset: Where the second picture's top left corner would lie, in pixels of the first.
        masks: Rectangles of the head-up display in both.
    """
    most = min(_most(first), _most(second))
    expected = seen = 0
    squares = 0
    for ours, theirs, to in ((first, second, offset), (second, first, -offset)):
        x, y = ours.x_px.astype(np.int64) - to.dx_px, ours.y_px.astype(np.int64) - to.dy_px
        shown = _inside(x, y, theirs.view) & (ours.hashes <= most)
        for mask in masks:
            shown &= ~_touching(x, y, mask)
        x, y, hashes = x[shown], y[shown], ours.hashes[shown]
        found = np.zeros(hashes.size, np.bool_)
        if theirs.hashes.size:
            at = np.minimum(np.searchsorted(theirs.hashes, hashes), theirs.hashes.size - 1)
            found = (theirs.hashes[at] == hashes) & (theirs.x_px[at] == x) & (theirs.y_px[at] == y)
        expected += hashes.size
        seen += int(np.count_nonzero(found))
        squares = int(np.unique(x[found] // _SQUARE_PX << np.int64(32) | y[found] // _SQUARE_PX).size)
    return SketchMatch(expected=expected, seen=seen, squares=squares)


def propose(sketches: Sequence[Sketch]) -> tuple[Proposal, ...]:
    """Return pairs of pictures with an offset that many of their patches vote for, the likeliest first.

    Never compares all pairs: each hash votes for the pictures that have it, the rarest hashes first, until
    8 million votes are counted. Hashes that most pictures have, of a repeated sprite or a display, so drop out.
    """
    keys, weights = _votes(sketches)
    if keys.size == 0:
        return ()
    offsets, where = np.unique(keys, return_inverse=True)
    scores = np.bincount(where, weights)
    likely = scores >= _MIN_SCORE
    offsets, scores = offsets[likely], scores[likely]
    pairs = offsets >> np.int64(32)
    order = np.lexsort((-scores, pairs))
    rank = np.arange(order.size) - np.searchsorted(pairs[order], pairs[order])
    best = order[rank < _OFFSETS_A_PAIR]
    best = best[np.lexsort((offsets[best], -scores[best]))]
    count = len(sketches)
    return tuple(
        Proposal(
            first=int(pair) // count,
            second=int(pair) % count,
            offset=Offset(dx_px=(int(key) >> 16 & 0xFFFF) - _HALF, dy_px=(int(key) & 0xFFFF) - _HALF),
            score=float(score),
        )
        for pair, key, score in zip(pairs[best], offsets[best], scores[best], strict=True)
    )


def _votes(sketches: Sequence[Sketch]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each distinct (pair, offset) of one rarity as a number, and what its votes weigh together."""
    nothing = np.zeros(0, np.int64), np.zeros(0)
    if not sketches:
        return nothing
    hashes = np.concatenate([part for one in sketches for part in (one.hashes, one.rare.hashes)])
    order = np.argsort(hashes, kind="stable")  # pictures of one hash stay in their order
    hashes = hashes[order]
    pictures = np.repeat(np.arange(len(sketches)), [one.hashes.size + one.rare.hashes.size for one in sketches])[order]
    x = np.concatenate([part for one in sketches for part in (one.x_px, one.rare.x_px)])[order].astype(np.int64)
    y = np.concatenate([part for one in sketches for part in (one.y_px, one.rare.y_px)])[order].astype(np.int64)
    begins = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]]) if hashes.size else np.zeros(0, np.intp)
    sizes = np.diff(np.r_[begins, hashes.size])
    parts = []
    for size in _counted(sizes):
        of_size = begins[sizes == size]
        for first, second in _both(of_size, size):
            pair = pictures[first] * len(sketches) + pictures[second]
            key = pair << 32 | x[first] - x[second] + _HALF << 16 | y[first] - y[second] + _HALF
            distinct, votes = np.unique(key, return_counts=True)
            parts.append((distinct, votes / (size - 1)))
    if not parts:
        return nothing
    keys, weights = zip(*parts, strict=True)
    return np.concatenate(keys), np.concatenate(weights)


def _counted(sizes: NDArray[np.intp]) -> Iterator[int]:
    """Yield in how many pictures a hash may occur to be counted, the rarest first, as far as the votes allow."""
    left = _MOST_VOTES
    for size, hashes in zip(*np.unique(sizes, return_counts=True), strict=True):
        left -= int(hashes) * int(size) * (int(size) - 1) // 2
        if size > 1 and left >= 0:
            yield int(size)


def _both(begins: NDArray[np.intp], size: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield where the first and the second patch of all pairs within runs of `size` lie."""
    for first in range(size - 1):
        for second in range(first + 1, size):
            yield begins + first, begins + second


def _with_surroundings(patches: Patches, numbers: NDArray[np.uint32], masks: Sequence[Rect]) -> Patches:
    """The patches whose surroundings lie in the picture and under no mask; their hashes tell these as well.

    Args:
        numbers: One for each pixel of the picture, shape (height, width).
    """
    height, width = numbers.shape
    x, y = patches.x_px, patches.y_px
    free = (x >= _REACH_PX) & (y >= _REACH_PX) & (x < width - _REACH_PX) & (y < height - _REACH_PX)
    for mask in masks:
        beside = (x < mask.x_px - _REACH_PX) | (x >= mask.right_px + _REACH_PX)
        free &= beside | (y < mask.y_px - _REACH_PX) | (y >= mask.bottom_px + _REACH_PX)
    kept = _taken(patches, free)
    hashes = kept.hashes.copy()
    for dx, dy in _AROUND:
        hashes = (hashes ^ hashes >> np.uint32(15)) * _ODD + numbers[kept.y_px + dy, kept.x_px + dx]
    return Patches(x_px=kept.x_px, y_px=kept.y_px, hashes=(hashes ^ hashes >> np.uint32(16)) * _ODD)


def _once(patches: Patches) -> Patches:
    """The patches whose hash occurs once, by hash."""
    _, first, counts = np.unique(patches.hashes, return_index=True, return_counts=True)
    return _taken(patches, first[counts == 1])


def _smallest(patches: Patches, count: int) -> Patches:
    return _taken(patches, np.argsort(patches.hashes, kind="stable")[:count])


def _taken(patches: Patches, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Patches:
    return Patches(x_px=patches.x_px[chosen], y_px=patches.y_px[chosen], hashes=patches.hashes[chosen])


def _joined(first: Patches, second: Patches) -> Patches:
    return Patches(
        x_px=np.concatenate([first.x_px, second.x_px]),
        y_px=np.concatenate([first.y_px, second.y_px]),
        hashes=np.concatenate([first.hashes, second.hashes]),
    )


def _most(of: Sketch) -> int:
    """The largest hash up to which the sketch leaves nothing out."""
    return int(of.hashes[-1]) if of.hashes.size >= _PATCHES else 2**32


def _inside(x: NDArray[np.int64], y: NDArray[np.int64], part: Rect) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (x >= part.x_px) & (x + PATCH_PX <= part.right_px)
    return inside & (y >= part.y_px) & (y + PATCH_PX <= part.bottom_px)


def _touching(x: NDArray[np.int64], y: NDArray[np.int64], part: Rect) -> NDArray[np.bool_]:
    touching: NDArray[np.bool_] = (x + PATCH_PX > part.x_px) & (x < part.right_px)
    return touching & (y + PATCH_PX > part.y_px) & (y < part.bottom_px)
