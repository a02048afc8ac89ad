"""What placed neighbours say, pixel by pixel, about where a shot can lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.geometry import Offset, Rect
from imageflow_mosaic.agreement import overlap
from imageflow_mosaic.fingerprint import COLOURS, Fingerprint, colour_numbers

Shifts = NDArray[np.int64]
"""Places to try, shape (shifts, 2): x and y, in pixels from where the shot lies now."""

_POINTS = (4, 12, 48, 256)
"""Telling pixels looked at in each neighbour, round by round; few shifts are left for the later ones."""

_MOST_LOOKS = 2_000_000
"""Above so many shifts times pixels a round is left out: where so much is left, a few pixels more tell nothing."""

_MOST_WHOLE = 100
"""Shifts that are compared on every pixel; where more are left, the pixels say next to nothing."""

_RUNNING_RATE = 0.03
_RIM_PX = 2
_NOISE_PX = 4.0
"""Pixels that differ although the place is right: sprites drawn in another order."""

_UNSEEN_PX = 50
_UNSEEN_RATE = 1e-3
"""What is taken for granted of a colour that was hardly seen: so many pixels of it, and so many of these differ."""

_TOLERANCE = 4
"""So many times the noise is too much for a shift: waves that stood alike in the pairs learnt from may differ now."""

_CLEARLY = 8
"""So many times the noise refutes a shift for good."""

_LUCK_PX = 2.0
_DISTINCTIVE_NOISE_RATE = 0.02
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
        self._seen, self._same, self._missed_still = (np.zeros(COLOURS, np.int64) for _ in range(3))
        self._looked = self._missed = 0

    def learn(self, first: Fingerprint, second: Fingerprint, offset: Offset) -> None:
        """Take in what two shots show of the same place."""
        parts = overlap(first, offset, second), overlap(second, -offset, first)
        if parts[0] is None or parts[1] is None:
            return
        there, here = first.numbers(parts[0]), second.numbers(parts[1])
        mine, theirs, equal = colour_numbers(there), colour_numbers(here), there == here
        self._seen += np.bincount(mine.ravel(), minlength=COLOURS) + np.bincount(theirs.ravel(), minlength=COLOURS)
        self._same += 2 * np.bincount(mine[equal], minlength=COLOURS)
        still_there, still_here = self.still(first), self.still(second)
        there, here = _cut(still_there, parts[0]), _cut(still_here, parts[1])
        missed = (there != here) & (there != 0) & (here != 0)
        self._missed_still += np.bincount(mine[missed], minlength=COLOURS)
        self._missed_still += np.bincount(theirs[missed], minlength=COLOURS)
        place = np.array([offset.dx_px, offset.dy_px])
        x, y = _distinctive(still_here, still_there.shape, -place, np.zeros(2, np.int64), _LEARNT_POINTS)
        missed_points, looked = _look(still_here, still_there, x, y, place[None])
        self._looked += int(looked[0])
        self._missed += int(missed_points[0])

    @property
    def runs(self) -> NDArray[np.bool_]:
        """Which colours, by number, differ more often than they stay."""
        runs: NDArray[np.bool_] = self._seen - self._same > _RUNNING_RATE * self._seen
        return runs

    def noise(self, picture: Fingerprint) -> NDArray[np.float64]:
        """How many pixels are expected to differ although the place is right, summed from the top left corner.

        Returns:
            Shape (height + 1, width + 1): the number for rows above and columns left of each place.
        """
        rates = (self._missed_still + _UNSEEN_RATE * _UNSEEN_PX) / (self._seen + _UNSEEN_PX)
        numbers = colour_numbers(picture.numbers(picture.rect))
        summed: NDArray[np.float64] = np.asarray(cv2.integral(rates.astype(np.float32)[numbers]), np.float64)
        return summed

    @property
    def distinctive_noise_rate(self) -> float:
        """Share of telling pixels that differ although the place is right: cars drive where there is much to see."""
        return _DISTINCTIVE_NOISE_RATE + 2 * self._missed / max(1, self._looked)

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
        """Which shifts may be right: no more is unequal there than `_TOLERANCE` times the noise."""
        return self.unequal <= _TOLERANCE * self.noise_px

    @property
    def only(self) -> int | None:
        """The one shift that is allowed with room to spare while all others are far from it; `None` for none."""
        best = int(np.argmin(self.unequal / self.noise_px))
        clear = self.unequal > _CLEARLY * self.noise_px
        clear[best] = self.unequal[best] <= self.noise_px[best]
        return best if clear.all() else None

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
        if alive.size * points > _MOST_LOOKS:
            break
        unequal[alive], compared[alive] = 0.0, 0.0
        for witness in witnesses:
            there, here = pictures[id(witness.placed)], pictures[id(witness.shot)]
            offset = np.array([witness.offset.dx_px, witness.offset.dy_px])
            for source, target, sign in ((here, there, 1), (there, here, -1)):
                x, y = _distinctive(source, target.shape, -sign * offset, reach, points)
                wrong, seen = _look(source, target, x, y, sign * (offset + shifts[alive]))
                unequal[alive] += wrong
                compared[alive] += seen
                alive = alive[unequal[alive] <= _LUCK_PX + animation.distinctive_noise_rate * compared[alive]]
    refuted = np.ones(count, np.bool_)
    refuted[alive] = False
    unequal[alive], compared[alive] = 0.0, 0.0
    noise = np.zeros(count)
    sums = {id(w.shot): animation.noise(w.shot) for w in witnesses}
    whole = alive[:_MOST_WHOLE]
    for witness in witnesses:
        there, here = pictures[id(witness.placed)], pictures[id(witness.shot)]
        for number in whole:
            dx, dy = (int(step) for step in shifts[number])
            moved = Offset(dx_px=witness.offset.dx_px + dx, dy_px=witness.offset.dy_px + dy)
            part = overlap(witness.shot, -moved, witness.placed)
            if part is not None:
                wrong_px, seen_px = _compare(there, here, part, moved)
                unequal[number] += wrong_px
                compared[number] += seen_px
                noise[number] += _within(sums[id(witness.shot)], part)
    noise[alive[_MOST_WHOLE:]] = noise[whole].max(initial=0)
    compared[alive[_MOST_WHOLE:]] = compared[whole].max(initial=0)
    unequal[refuted] = np.inf
    return Evidence(unequal=unequal, compared=compared, noise_px=_NOISE_PX + noise)


def _distinctive(
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
    x, y, offsets = x.astype(np.int32), y.astype(np.int32), offsets.astype(np.int32)
    there_x, there_y = x + offsets[:, :1], y + offsets[:, 1:]
    inside = (there_x >= 0) & (there_x < width)
    inside &= (there_y >= 0) & (there_y < height)
    there_y *= np.int32(width)
    there_y += there_x
    found, wanted = target.ravel().take(there_y, mode="clip"), source[y, x]
    inside &= (found != 0) & (wanted != 0)
    missed = inside & (found != wanted)
    return np.count_nonzero(missed, axis=1).astype(np.float64), np.count_nonzero(inside, axis=1).astype(np.float64)


def _compare(there: NDArray[np.uint32], here: NDArray[np.uint32], part: Rect, offset: Offset) -> tuple[int, int]:
    """How many still pixels of a part of `here` differ from `there`, and how many are compared."""
    mine, theirs = _cut(there, part.shifted(offset)), _cut(here, part)
    hidden = (mine == 0) | (theirs == 0)
    return int(np.count_nonzero((mine != theirs) & ~hidden)), int(mine.size - np.count_nonzero(hidden))


def _within(summed: NDArray[np.float64], part: Rect) -> float:
    top, bottom = summed[part.y_px], summed[part.bottom_px]
    return float(bottom[part.right_px] - bottom[part.x_px] - top[part.right_px] + top[part.x_px])


def _cut(numbers: NDArray[np.uint32], part: Rect) -> NDArray[np.uint32]:
    return numbers[part.y_px : part.bottom_px, part.x_px : part.right_px]
