"""Which of many pictures whose pixels differ everywhere may show the same place: all pairs of thumbnails, correlated.

The normalised cross-correlation at every offset is one product in the frequency domain, as in `correlation`; spectra
are made once for many pairs. What it proposes is only likely; `registration` verifies it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset
from imageflow_mosaic.content import Floats
from imageflow_mosaic.sketch import Proposal, SketchMatch
from imageflow_mosaic.thumbnail import SMALL_PX, Thumbnail, relief

REACH_PX = 16
"""How far from a proposed offset the right one may lie; more for pictures of over 2.5 megapixels, which are reduced
further."""

_PIXELS = 40_000
"""Of a relief: where most thumbnails have more, all are halved, as the work for a pair grows with its pixels."""

_MOST_PIXELS = 4 * _PIXELS
"""A picture that is so much larger than the others is not correlated."""

_MIN_OVERLAP = 8
"""Pixels of the thumbnail on the shorter side: a narrower overlap resembles anything."""

_LEAST_ENERGY = 1.0
"""Of an overlap for each pixel, in squared grey levels: what is flatter is noise."""

_MIN_SCORE = 0.18
"""Of an overlap that is right, one in a hundred has less than 0.23."""

_NARROW = 0.25
"""Power of the overlap's share of the picture that weighs the correlation: it is high by chance in narrow ones."""

_OFFSETS_A_PAIR = 2
_PEAK_RADIUS = 2
_PROPOSALS = 32
"""Of each picture, the likeliest."""

_STILL = 8
"""Pictures of one size whose mean shows what stands still in all of them, as a display does."""

_BLOCK = 48
"""Pictures whose spectra are held at once, twice."""

Pairs = NDArray[np.bool_]
"""Which pairs of pictures are meant, shape (pictures, pictures); only what lies above the diagonal counts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Resemblances:
    """Thumbnails ready to be correlated. Offsets are those of the pictures, in their pixels."""

    reliefs: tuple[Floats, ...]
    """Without what stands still in all pictures of one size."""
    pixel_px: int
    """Side of the square of pixels that one pixel of a relief stands for."""

    @property
    def reach_px(self) -> int:
        """How far from a proposed offset the right one may lie."""
        return REACH_PX * self.pixel_px // SMALL_PX

    def propose(self, pairs: Pairs, threads: Executor, done: Callable[[int], None]) -> tuple[Proposal, ...]:
        """Return the pairs that resemble each other at some offset, the likeliest first.

        Args:
            done: Hears how many pictures have been compared with all others.
        """
        found: list[tuple[float, int, int, int, int]] = []
        count = len(self.reliefs)
        small = np.array([one.size <= _MOST_PIXELS for one in self.reliefs], np.bool_)
        pairs = pairs & small[:, None] & small[None, :]
        for first in range(0, count, _BLOCK):
            ours = range(first, min(first + _BLOCK, count))
            mine: _Spectra | None = None
            for second in range(first, count, _BLOCK):
                theirs = range(second, min(second + _BLOCK, count))
                wanted = {i: [j for j in theirs if j > i and pairs[i, j]] for i in ours}
                if not any(wanted.values()):
                    continue
                mine = mine or _Spectra(self.reliefs, ours)
                others = mine if second == first else _Spectra(self.reliefs, theirs)
                for peaks in threads.map(lambda i, m=mine, o=others, w=wanted: list(_peaks(m, o, i, w[i])), ours):
                    found += peaks
            found = list(_likeliest(found))  # all that is found takes more memory than all pictures
            done(ours.stop)
        return tuple(
            Proposal(
                first=i,
                second=j,
                offset=Offset(dx_px=dx * self.pixel_px, dy_px=dy * self.pixel_px),
                score=score,
            )
            for score, i, j, dx, dy in found
        )

    def look(self, first: int, second: int, offset: Offset) -> SketchMatch:
        """Return what two thumbnails say about an offset, in squared grey levels: open water says next to nothing."""
        dx, dy = round(offset.dx_px / self.pixel_px), round(offset.dy_px / self.pixel_px)
        one, other = self.reliefs[first], self.reliefs[second]
        left, top = max(0, dx), max(0, dy)
        right, bottom = min(one.shape[1], other.shape[1] + dx), min(one.shape[0], other.shape[0] + dy)
        if min(right - left, bottom - top) < _MIN_OVERLAP // 2:
            return SketchMatch(expected=0, seen=0, squares=0)
        there = one[top:bottom, left:right]
        here = other[top - dy : bottom - dy, left - dx : right - dx]
        expected = max(float((there * there).sum()), float((here * here).sum()))
        return SketchMatch(expected=round(expected), seen=round(float((there * here).sum())), squares=0)


def resemblances(thumbnails: Sequence[Thumbnail]) -> Resemblances:
    """Make thumbnails, one at least, ready to be correlated."""
    reliefs = [relief(one) for one in thumbnails]
    pixel_px = SMALL_PX
    while np.median([one.size for one in reliefs]) > _PIXELS:
        pixel_px *= 2
        reliefs = [_halved(one) for one in reliefs]
    shapes = [one.shape for one in reliefs]
    for shape in set(shapes):
        alike = [number for number, other in enumerate(shapes) if other == shape]
        if len(alike) >= _STILL:
            still = np.mean([reliefs[number] for number in alike], axis=0, dtype=np.float32)
            for number in alike:
                reliefs[number] = reliefs[number] - still
    return Resemblances(reliefs=tuple(reliefs), pixel_px=pixel_px)


def _halved(of: Floats) -> Floats:
    size = max(1, of.shape[1] // 2), max(1, of.shape[0] // 2)
    return np.asarray(cv2.resize(of, size, interpolation=cv2.INTER_AREA), np.float32)


class _Spectra:
    """Spectra of some reliefs, and what their energy is in the overlap at each offset."""

    def __init__(self, reliefs: Sequence[Floats], numbers: range) -> None:
        from scipy import fft  # takes a tenth of a second to import; surveys that are anchored do not need it

        self._reliefs, self.numbers = reliefs, numbers
        small = [one.shape for one in reliefs if one.size <= _MOST_PIXELS]
        height, width = (max(shape[axis] for shape in small) for axis in (0, 1))
        self.shape = tuple(fft.next_fast_len(2 * side - 1, real=True) for side in (height, width))
        self.spectra = np.stack([fft.rfft2(reliefs[number], self.shape) for number in numbers])
        self._weights: dict[tuple[int, tuple[int, ...], bool], Floats] = {}

    def of(self, number: int) -> NDArray[np.complexfloating]:
        spectrum: NDArray[np.complexfloating] = self.spectra[number - self.numbers.start]
        return spectrum

    def weights(self, number: int, other: tuple[int, ...], *, moving: bool) -> Floats:
        """Return 1 over the root of the energy in the overlap with a relief of another shape, at each offset.

        Args:
            moving: It is the other one's offset that is negative: this relief is the one that is moved.
        """
        key = number, other, moving
        if key not in self._weights:
            self._weights[key] = self._weigh(self._reliefs[number], other, -1 if moving else 1)
        return self._weights[key]

    def _weigh(self, own: Floats, other: tuple[int, ...], sign: int) -> Floats:
        height, width = own.shape
        down, across = (np.arange(side) for side in self.shape)
        # offsets that are negative wrap around
        limit = (height, width) if sign > 0 else other
        down, across = (
            sign * np.where(lags < size, lags, lags - side)
            for lags, size, side in zip((down, across), limit, self.shape, strict=True)
        )
        top, bottom = np.clip(down, 0, height), np.clip(down + other[0], 0, height)
        left, right = np.clip(across, 0, width), np.clip(across + other[1], 0, width)
        summed = np.asarray(cv2.integral(own * own), np.float64)
        energy = summed[np.ix_(bottom, right)] - summed[np.ix_(top, right)] - summed[np.ix_(bottom, left)]
        energy += summed[np.ix_(top, left)]
        rows, columns = np.maximum(bottom - top, 0), np.maximum(right - left, 0)
        area = np.outer(rows, columns)
        wide = np.minimum.outer(rows, columns) >= _MIN_OVERLAP
        share = (area / min(own.size, other[0] * other[1])) ** (_NARROW / 2)
        weights = np.where(wide, share / np.sqrt(np.maximum(energy, _LEAST_ENERGY * np.maximum(area, 1))), 0.0)
        return weights.astype(np.float32)


def _peaks(
    mine: _Spectra, theirs: _Spectra, i: int, others: Sequence[int]
) -> Iterator[tuple[float, int, int, int, int]]:
    """Yield score, both pictures and the offset in pixels of the relief, of the best offsets of each pair."""
    from scipy import fft

    if not others:
        return
    at = [other - theirs.numbers.start for other in others]
    every = fft.irfft2(mine.of(i) * np.conj(theirs.spectra[at]), mine.shape)
    own = mine._reliefs[i].shape
    for scores, j in zip(every, others, strict=True):
        scores *= mine.weights(i, theirs._reliefs[j].shape, moving=False)
        scores *= theirs.weights(j, own, moving=True)
        for _ in range(_OFFSETS_A_PAIR):
            row, column = divmod(int(scores.argmax()), scores.shape[1])
            score = float(scores[row, column])
            if score < _MIN_SCORE:
                break
            dy = row if row < own[0] else row - scores.shape[0]
            dx = column if column < own[1] else column - scores.shape[1]
            yield score, i, j, dx, dy
            for down in range(-_PEAK_RADIUS, _PEAK_RADIUS + 1):
                around = (np.arange(-_PEAK_RADIUS, _PEAK_RADIUS + 1) + column) % scores.shape[1]
                scores[(row + down) % scores.shape[0], around] = 0


def _likeliest(
    found: Sequence[tuple[float, int, int, int, int]],
) -> Iterator[tuple[float, int, int, int, int]]:
    """Yield what was found, the likeliest first, as far as either picture has few proposals yet."""
    left: dict[int, int] = {}
    for proposal in sorted(found, key=lambda one: (-one[0], one[1:])):
        _, i, j, *_ = proposal
        if max(left.get(i, _PROPOSALS), left.get(j, _PROPOSALS)) > 0:
            left[i], left[j] = left.get(i, _PROPOSALS) - 1, left.get(j, _PROPOSALS) - 1
            yield proposal
