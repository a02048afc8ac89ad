"""Where pictures may continue one another: peaks of the normalised cross-correlation of their reliefs.

The correlation at every offset is one product in the frequency domain; see J. P. Lewis, "Fast normalized
cross-correlation" (1995), and for hidden parts D. Padfield, "Masked object registration in the Fourier domain" (2012).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset
from imageflow_mosaic.content import COARSE_PX, Content, Floats, Pairing

MIN_OVERLAP_PX = 32
"""On the shorter side: of a narrower overlap the correlation is high by chance."""

_PEAK_RADIUS = 2
"""Pixels of the relief around a peak that belong to it."""

_LEAST_ENERGY = 1.0
"""Of an overlap for each pixel of the relief, in squared grey levels: what is flatter is noise."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A shift from what was expected at which pictures look alike."""

    shift: Offset
    """Right to about two pixels."""
    score: float
    """Normalised cross-correlation, -1 to 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Side:
    """One axis of all offsets: what both pictures show of each other, in pixels of the relief."""

    offsets: NDArray[np.intp]
    begin: NDArray[np.intp]
    end: NDArray[np.intp]
    """Of the overlap in the reference."""
    first: int
    last: int
    """Of the part of the reference that some offset covers."""
    other_first: int
    other_last: int
    rounding_px: float
    """From what is expected to the middle of the offsets, in pixels of the picture."""

    @property
    def is_empty(self) -> bool:
        return self.last <= self.first or self.other_last <= self.other_first

    @property
    def length(self) -> NDArray[np.intp]:
        length: NDArray[np.intp] = np.maximum(self.end - self.begin, 0)
        return length


def candidates(pairings: Sequence[Pairing], reach_px: int, count: int) -> tuple[Candidate, ...]:
    """Return the shifts within reach at which the moving pictures look most like continuations of the references.

    All moving pictures are shifted alike from where each is expected; best first.

    Args:
        reach_px: Largest shift, on either axis.
        count: Most that are returned.
    """
    alike = np.zeros((), np.float64)
    energy = other = alike
    between: list[tuple[float, float]] = []
    for pairing in pairings:
        across = _side(
            pairing.reference.relief.shape[1], pairing.moving.relief.shape[1], pairing.expected.dx_px, reach_px
        )
        down = _side(
            pairing.reference.relief.shape[0], pairing.moving.relief.shape[0], pairing.expected.dy_px, reach_px
        )
        if across.is_empty or down.is_empty:
            continue
        products = _products(pairing.reference, pairing.moving, across, down)
        wide = np.minimum.outer(down.length, across.length) >= MIN_OVERLAP_PX // COARSE_PX
        alike, energy, other = (
            summed + np.where(wide, product, 0.0)
            for summed, product in zip((alike, energy, other), products, strict=True)
        )
        between.append((across.rounding_px, down.rounding_px))
    if not between:
        return ()
    scores = alike / np.sqrt(np.maximum(energy * other, 1e-9))
    rounding_x, rounding_y = np.mean(between, axis=0)
    return tuple(_peaks(scores, float(rounding_x), float(rounding_y), count))


def _side(size: int, other: int, expected_px: int, reach_px: int) -> _Side:
    middle, reach = round(expected_px / COARSE_PX), -(-reach_px // COARSE_PX)
    offsets = np.arange(middle - reach, middle + reach + 1)
    return _Side(
        offsets=offsets,
        begin=np.clip(offsets, 0, size),
        end=np.clip(offsets + other, 0, size),
        first=max(0, middle - reach),
        last=min(size, middle + reach + other),
        other_first=max(0, -middle - reach),
        other_last=min(other, size - middle + reach),
        rounding_px=float(COARSE_PX * middle - expected_px),
    )


def _products(
    reference: Content, moving: Content, across: _Side, down: _Side
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the correlation at every offset, rows by dy, and what of either picture's energy lies in the overlap."""
    from scipy import fft  # takes a twentieth of a second to import; frames without loss do not need it

    there = (slice(down.first, down.last), slice(across.first, across.last))
    here = (slice(down.other_first, down.other_last), slice(across.other_first, across.other_last))
    shape = [fft.next_fast_len(d.last - d.first + d.other_last - d.other_first - 1, real=True) for d in (down, across)]
    # An offset's lag between the two parts; negative ones wrap around.
    rows, columns = (
        (side.offsets - side.first + side.other_first) % length
        for side, length in zip((down, across), shape, strict=True)
    )
    lags = np.ix_(rows, columns)

    def spectrum(part: Floats) -> NDArray[np.complexfloating]:
        return fft.rfft2(part, shape)

    def correlated(one: NDArray[np.complexfloating], other: NDArray[np.complexfloating]) -> NDArray[np.float64]:
        product: NDArray[np.float64] = fft.irfft2(one * np.conj(other), shape)[lags].astype(np.float64)
        return product

    first, second = reference.relief[there], moving.relief[here]
    alike = correlated(spectrum(first), spectrum(second))
    if reference.shown is None and moving.shown is None:
        energy = _energy(reference.relief, down.begin, down.end, across.begin, across.end)
        other = _energy(
            moving.relief,
            down.begin - down.offsets,
            down.end - down.offsets,
            across.begin - across.offsets,
            across.end - across.offsets,
        )
    else:
        energy = correlated(spectrum(first * first), spectrum(_shown(moving)[here]))
        other = correlated(spectrum(_shown(reference)[there]), spectrum(second * second))
    least = _LEAST_ENERGY * np.outer(down.length, across.length)
    return alike, np.maximum(energy, least), np.maximum(other, least)


def _shown(content: Content) -> Floats:
    return np.ones_like(content.relief) if content.shown is None else content.shown


def _energy(
    relief: Floats,
    top: NDArray[np.intp],
    bottom: NDArray[np.intp],
    left: NDArray[np.intp],
    right: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Return the sum of squares over every rectangle of one of the rows and one of the columns."""
    height, width = relief.shape
    top, bottom = np.clip(top, 0, height), np.clip(bottom, 0, height)
    left, right = np.clip(left, 0, width), np.clip(right, 0, width)
    summed = np.asarray(cv2.integral(relief * relief), np.float64)
    energy: NDArray[np.float64] = (
        summed[np.ix_(bottom, right)] - summed[np.ix_(top, right)] - summed[np.ix_(bottom, left)]
    ) + summed[np.ix_(top, left)]
    return energy


def _peaks(scores: NDArray[np.float64], rounding_x_px: float, rounding_y_px: float, count: int) -> list[Candidate]:
    left = scores.copy()
    middle = scores.shape[0] // 2, scores.shape[1] // 2
    found: list[Candidate] = []
    while len(found) < count:
        row, column = divmod(int(left.argmax()), left.shape[1])
        if left[row, column] <= 0:
            break
        dx = COARSE_PX * (column - middle[1] + _between(scores[row], column)) + rounding_x_px
        dy = COARSE_PX * (row - middle[0] + _between(scores[:, column], row)) + rounding_y_px
        found.append(Candidate(shift=Offset(dx_px=round(dx), dy_px=round(dy)), score=float(left[row, column])))
        around = slice(max(0, row - _PEAK_RADIUS), row + _PEAK_RADIUS + 1)
        left[around, max(0, column - _PEAK_RADIUS) : column + _PEAK_RADIUS + 1] = -1.0
    return found


def _between(line: NDArray[np.float64], at: int) -> float:
    """Return how far from a peak's pixel the top of the parabola through it and its neighbours lies, -0.5 to 0.5."""
    if not 0 < at < line.size - 1:
        return 0.0
    before, top, after = (float(value) for value in line[at - 1 : at + 2])
    bend = before - 2 * top + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
