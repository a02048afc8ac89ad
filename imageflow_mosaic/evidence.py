"""What placed neighbours say, pixel by pixel, about where a shot can lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.agreement import COLOURS, colour_numbers, overlap
from imageflow_mosaic.fingerprint import Fingerprint

Shifts = NDArray[np.int64]
"""Places to try, shape (shifts, 2): x and y, in pixels from where the shot lies now."""

_POINTS = (12, 48, 256)
"""Telling pixels looked at in each neighbour, round by round; few shifts are left for the later ones."""

_MOST_WHOLE = 100
"""Shifts that are compared on every pixel; where more are left, the pixels say next to nothing."""

_RUNNING_RATE = 0.03
_RIM_PX = 2
_NOISE_PX = 4.0
_NOISE_RATE = 1e-4
"""Pixels that differ although the place is right: sprites drawn in another order."""

_LUCK_PX = 2.0
_TELLING_NOISE_RATE = 0.02
_LEARNT_POINTS = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class Witness:
    """A placed neighbour, and the offset of the shot in question from it where it lies now."""

    placed: Fingerprint
    shot: Fingerprint
    offset: Offset


class Animation:
    """What moves by itself in this game, learnt from pairs of shots whose offset is known."""

    def __init__(self) -> None:
        self._seen = np.zeros(COLOURS, np.int64)
        self._same = np.zeros(COLOURS, np.int64)
        self._compared = self._unequal = 0
        self._looked = self._missed = 0

    def learn(self, first: Fingerprint, second: Fingerprint, offset: Offset) -> None:
        """Take in what two shots show of the same place."""
        there, here = _overlaps(first, second, offset)
        if there is None or here is None:
            return
        mine, theirs, equal = colour_numbers(there), colour_numbers(here), there == here
        self._seen += np.bincount(mine.ravel(), minlength=COLOURS) + np.bincount(theirs.ravel(), minlength=COLOURS)
        self._same += 2 * np.bincount(mine[equal], minlength=COLOURS)
        still_there, still_here = self.still(first), self.still(second)
        everywhere = np.zeros(2, np.int64)
        wrong, seen = _compare(still_there, still_here, offset, everywhere)
        self._compared += seen
        self._unequal += wrong
        place = np.array([offset.dx_px, offset.dy_px])
        x, y = _telling(still_here, still_there.shape, -place, everywhere, _LEARNT_POINTS)
        missed, looked = _look(still_here, still_there, x, y, place[None])
        self._looked += int(looked[0])
        self._missed += int(missed[0])

    @property
    def runs(self) -> NDArray[np.bool_]:
        """Which colours, by number, differ more often than they stay."""
        runs: NDArray[np.bool_] = self._seen - self._same > _RUNNING_RATE * self._seen
        return runs

    @property
    def noise_rate(self) -> float:
        """Share of still pixels that differ although the place is right."""
        return _NOISE_RATE + 2 * self._unequal / max(1, self._compared)

    @property
    def telling_noise_rate(self) -> float:
        """Share of telling pixels that differ although the place is right: cars drive where there is much to see."""
        return _TELLING_NOISE_RATE + 2 * self._missed / max(1, self._looked)

    def still(self, picture: Fingerprint) -> NDArray[np.uint32]:
        """Return the picture's numbers; all that runs is 1, what is masked or lies at the rim of what runs is 0."""
        runs = self.runs
        numbers = picture.numbers(picture.rect)
        if runs.any():
            moving = runs[colour_numbers(numbers)]
            # Waves lick at the shore: which of two still colours shows there changes with what runs.
            rim = cv2.dilate(moving.astype(np.uint8), np.ones((2 * _RIM_PX + 1,) * 2, np.uint8)).astype(np.bool_)
            numbers[rim] = 0
            numbers[moving] = 1
        for mask in picture.masks:
            numbers[mask.y_px : mask.bottom_px, mask.x_px : mask.right_px] = 0
        return numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What all neighbours together say about each shift."""

    unequal: NDArray[np.float64]
    """Pixels that would have to be equal and are not; infinite where the shift was refuted early."""
    compared: NDArray[np.float64]
    noise_px: NDArray[np.float64]
    """Unequal pixels that are no surprise at the right place."""

    @property
    def allowed(self) -> NDArray[np.bool_]:
        return self.unequal <= 2 * self.noise_px

    @property
    def likelihood(self) -> NDArray[np.float64]:
        """Of each shift, up to a common factor; 0 where refuted."""
        likelihood = np.zeros(self.unequal.size)
        allowed = self.allowed
        if allowed.any():
            least = self.unequal[allowed].min()
            likelihood[allowed] = np.exp(-(self.unequal[allowed] - least) / self.noise_px[allowed])
        return likelihood


def weigh(witnesses: Sequence[Witness], shifts: Shifts, animation: Animation) -> Evidence:
    """Compare the shots in question with all their placed neighbours at every shift.

    A few telling pixels go first and refute most shifts; what is left is compared whole.

    Args:
        shifts: Most likely first: where too many are left, the others are judged by the telling pixels alone.
    """
    count = len(shifts)
    unequal, compared = np.zeros(count), np.zeros(count)
    alive = np.arange(count)
    pictures = {id(p): animation.still(p) for w in witnesses for p in (w.placed, w.shot)}
    reach = np.abs(shifts).max(axis=0, initial=0)
    for points in _POINTS:
        unequal[alive], compared[alive] = 0.0, 0.0
        for witness in witnesses:
            there, here = pictures[id(witness.placed)], pictures[id(witness.shot)]
            offset = np.array([witness.offset.dx_px, witness.offset.dy_px])
            for source, target, sign in ((here, there, 1), (there, here, -1)):
                x, y = _telling(source, target.shape, -sign * offset, reach, points)
                wrong, seen = _look(source, target, x, y, sign * (offset + shifts[alive]))
                unequal[alive] += wrong
                compared[alive] += seen
                alive = alive[unequal[alive] <= _LUCK_PX + animation.telling_noise_rate * compared[alive]]
    refuted = np.ones(count, np.bool_)
    refuted[alive] = False
    unequal[alive], compared[alive] = 0.0, 0.0
    whole = alive[:_MOST_WHOLE]
    for witness in witnesses:
        there, here = pictures[id(witness.placed)], pictures[id(witness.shot)]
        for number in whole:
            wrong_px, seen_px = _compare(there, here, witness.offset, shifts[number])
            unequal[number] += wrong_px
            compared[number] += seen_px
    compared[alive[_MOST_WHOLE:]] = compared[whole].max(initial=0)
    unequal[refuted] = np.inf
    return Evidence(unequal=unequal, compared=compared, noise_px=_NOISE_PX + animation.noise_rate * compared)


def _telling(
    source: NDArray[np.uint32], target: tuple[int, ...], offset: NDArray[np.int64], reach: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Still pixels of `source` that differ from their left neighbour, where `target` can lie over it; evenly chosen."""
    height, width = source.shape
    left, top = np.maximum(offset - reach, 0)
    right = min(width, int(offset[0] + reach[0]) + target[1])
    bottom = min(height, int(offset[1] + reach[1]) + target[0])
    part = source[top:bottom, left:right]
    if part.shape[0] < 1 or part.shape[1] < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    found = np.flatnonzero((part[:, 1:] != part[:, :-1]) & (part[:, 1:] > 1) & (part[:, :-1] > 1))
    # A stride that shares no factor with the picture's texture spreads the choice over all of it.
    found = found[np.linspace(0, found.size - 1, min(count, found.size)).astype(np.int64)]
    y, x = np.divmod(found, part.shape[1] - 1)
    return x + left + 1, y + top


def _look(
    source: NDArray[np.uint32],
    target: NDArray[np.uint32],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    offsets: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At each offset, how many of the source's pixels are unequal in the target, and how many are seen there at all."""
    height, width = target.shape
    there_x, there_y = x + offsets[:, :1], y + offsets[:, 1:]
    inside = (there_x >= 0) & (there_x < width) & (there_y >= 0) & (there_y < height)
    flat = np.where(inside, there_y * width + there_x, 0)
    found, wanted = target.ravel()[flat], source[y, x]
    seen = inside & (found != 0) & (wanted != 0)
    return ((found != wanted) & seen).sum(axis=1).astype(np.float64), seen.sum(axis=1).astype(np.float64)


def _compare(
    there: NDArray[np.uint32], here: NDArray[np.uint32], offset: Offset, shift: NDArray[np.int64]
) -> tuple[int, int]:
    dx, dy = offset.dx_px + int(shift[0]), offset.dy_px + int(shift[1])
    height, width = there.shape
    part = Rect(x_px=0, y_px=0, width_px=width, height_px=height).intersection(
        Rect(x_px=dx, y_px=dy, width_px=here.shape[1], height_px=here.shape[0])
    )
    if part is None:
        return 0, 0
    mine = there[part.y_px : part.bottom_px, part.x_px : part.right_px]
    theirs = here[part.y_px - dy : part.bottom_px - dy, part.x_px - dx : part.right_px - dx]
    unequal = mine != theirs
    hidden = (mine == 0) | (theirs == 0)
    return int(np.count_nonzero(unequal & ~hidden)), int(unequal.size - np.count_nonzero(hidden))


def _overlaps(
    first: Fingerprint, second: Fingerprint, offset: Offset
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]] | tuple[None, None]:
    mine, theirs = overlap(first, offset, second), overlap(second, -offset, first)
    if mine is None or theirs is None:
        return None, None
    return first.numbers(mine), second.numbers(theirs)
