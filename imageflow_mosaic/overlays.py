"""What lies over every screenshot of a survey at one place: a watermark, a clock, a display, a cursor that rests.

The map moves from frame to frame, an overlay stays: the mean of the frames' gradients keeps its edges and cancels the
map's, as in Dekel, Rubinstein, Liu and Freeman, On the Effectiveness of Visible Watermarks, CVPR 2017. How much of
the mean is chance is read from the gradients around, as repeated water agrees with itself wherever the camera is.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Cell
from imageflow_mosaic.codec import Pixels, check_pixels
from imageflow_mosaic.rectangles import Mask, bounds, enclosing

MOST_FRAMES = 24
"""More frames find fainter overlays only, and take longer."""

LEAST_FRAMES = 6
"""Fewer frames may agree by chance."""

_LEAST_DIFFERENT = 5.0
"""Frames with different maps around an overlay, estimated by medians: six of them count as 7 to 11."""

_DEVIATION = 1.4826
"""Standard deviations in a median deviation from the median, of normal values."""

_COHERENT, _SURELY_COHERENT = 5.0, 6.5
"""Mean gradients, in their standard errors, that are an edge of an overlay; and such as no map was seen to have.

Measured on maps alone, whole surveys and samples of them: 5.0 is reached on repeated water, by 96 px in one place;
6.3 is the largest. Watermarks of 35 % opacity have 8 to 18 in the median of their edges, of 15 % about 6.
"""

_LEAST_EDGE_PX, _LEAST_SURE_PX = 40, 20
"""A mouse cursor has 200 pixels of edges."""

_SUPPORT = 0.9
"""Share of the frames that must show an overlay: what fewer show is the border of the map, or a passing sprite."""

_SUPPORTING = 0.25
"""Share of an overlay's mean gradients that a frame must have there to show it."""

_STILL = 1.5
"""Standard deviation, in grey levels, of pixels that stand still: JPEG leaves 0.8 of a panel, water has 1.9."""

_JOIN_PX = 12
"""Edges of one overlay, such as the letters of a text, lie at most twice as far apart."""

_SLACK_PX = 3
"""By which rectangles are larger than the edges: JPEG's ringing around them."""

_AROUND_PX = 32
"""How far around edges, and overlays, the map's own gradients are read."""

_MARGIN_PX = 8
"""Of what is hidden by a mask, or of an overlay, JPEG's blocks show something this far beside it."""

_LEAST_ENERGY = 0.2
"""Squared grey levels of gradient around an overlay: with less there is no map to compare with."""

_LEAST_FREE = 0.1
"""Share of the surroundings without edges of overlays: with less, what is coherent there is the map."""

_LARGEST_HOLE = 0.25
"""Share of the frame: what lies inside a larger ring is the map, and the ring a display around it."""

Field = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Statistics:
    """Of the frames' gradients, in grey levels a pixel; each array of shape (height, width)."""

    frames: int
    mean_x: Field
    mean_y: Field
    spread: Field
    """Variance of both components together."""
    still: Mask

    @property
    def coherent(self) -> Field:
        """The squared mean gradient."""
        return self.mean_x * self.mean_x + self.mean_y * self.mean_y


def sample_of(cells: Collection[Cell], count: int = MOST_FRAMES) -> tuple[Cell, ...]:
    """Return `count` cells spread over the grid, in their own order; all of them where there are fewer.

    The same cells give the same sample, in any order: those nearest to the points of a Halton sequence.
    """
    left = sorted(set(cells))
    chosen: list[Cell] = []
    if not left:
        return ()
    top, rows = left[0].row, left[-1].row - left[0].row + 1
    first = min(cell.col for cell in left)
    cols = max(cell.col for cell in left) - first + 1
    for number in range(1, min(count, len(left)) + 1):
        row, col = top + rows * _halton(number, 2) - 0.5, first + cols * _halton(number, 3) - 0.5
        nearest = min(left, key=lambda cell: ((cell.row - row) ** 2 + (cell.col - col) ** 2, cell))
        left.remove(nearest)
        chosen.append(nearest)
    return tuple(sorted(chosen))


def find_overlays(frames: Sequence[Pixels], masks: Sequence[Rect] = ()) -> tuple[Rect, ...]:
    """Return the rectangles of the image in which the frames show the same, though their maps differ.

    Found are opaque panels, clocks with their changing digits, a cursor that rests, and translucent texts: from about
    20 % opacity in 24 frames, 35 % in six. Rectangles are up to 12 px larger on each side than what they enclose.

    Nothing is returned for what only some frames show, where fewer than `LEAST_FRAMES` are given, and where the map
    around is equal in too many frames (open water, repeated texture in step with the camera).

    Args:
        frames: RGB, shape (height, width, 3), all of one size, lossy or not; those of `sample_of`, in its order.
        masks: Rectangles of every frame that are known to show no map; nothing is looked for there.

    Returns:
        In pixels of the frame and inside it, from the top down, then from the left.

    Raises:
        InvalidInput: For frames of several sizes, or that are not RGB.
    """
    for frame in frames:
        check_pixels(frame, channels=(3,))
    if len({frame.shape for frame in frames}) > 1:
        raise InvalidInput("Frames of several sizes have no overlay in common: give frames of one size.")
    if len(frames) < LEAST_FRAMES:
        return ()
    statistics = _statistics(frames)
    shown = _shown(statistics.still.shape, masks)
    strength = _strength(statistics, shown)
    edges = (strength >= _COHERENT) & shown
    groups = _groups(edges, statistics.still & shown)
    nowhere = shown & ~groups.astype(np.bool_)
    found: list[Rect] = []
    for number in range(1, int(groups.max()) + 1):
        group = groups == number
        shape = _filled(group)
        if (
            np.count_nonzero(strength[group & edges] >= _SURELY_COHERENT) >= _LEAST_SURE_PX
            and _is_shown(frames, statistics, group & edges)
            and _differs_around(frames, shape, nowhere)
        ):
            found += enclosing(shape)
    return tuple(sorted(found, key=lambda rect: (rect.y_px, rect.x_px)))


def _halton(number: int, base: int) -> float:
    """Return the digits of `number` mirrored at the point: a value in [0, 1)."""
    value, share = 0.0, 1.0
    while number:
        share /= base
        number, digit = divmod(number, base)
        value += share * digit
    return value


def _gradient(frame: Pixels) -> tuple[Field, Field, Field]:
    """Return the grey values, smoothed against noise, and their steps right and down."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = cv2.GaussianBlur(grey, (0, 0), 1.0).astype(np.float32, copy=False)
    step = np.array([[-0.5, 0.0, 0.5]], np.float32)
    right, down = (cv2.filter2D(grey, -1, kernel).astype(np.float32, copy=False) for kernel in (step, step.T))
    return grey, right, down


def _statistics(frames: Sequence[Pixels]) -> _Statistics:
    first = _gradient(frames[0])[0]
    right, down, squares, off, off_squares = (np.zeros_like(first) for _ in range(5))
    for frame in frames:
        grey, x, y = _gradient(frame)
        right += x
        down += y
        squares += x * x + y * y
        off += grey - first
        off_squares += (grey - first) ** 2
    number = len(frames)
    right /= number
    down /= number
    return _Statistics(
        frames=number,
        mean_x=right,
        mean_y=down,
        spread=np.maximum(squares / number - right * right - down * down, 0),
        still=off_squares / number - (off / number) ** 2 <= _STILL**2,
    )


def _shown(shape: tuple[int, ...], masks: Sequence[Rect]) -> Mask:
    shown = np.ones(shape, np.bool_)
    for mask in masks:
        top, left = max(0, mask.y_px - _MARGIN_PX), max(0, mask.x_px - _MARGIN_PX)
        bottom, right = max(0, mask.bottom_px + _MARGIN_PX), max(0, mask.right_px + _MARGIN_PX)
        shown[top:bottom, left:right] = False
    return shown


def _strength(statistics: _Statistics, shown: Mask) -> Field:
    """Return each mean gradient in its standard errors, as of as many frames as show different maps around."""
    # Half of the variance is the neighbourhood's: few frames may be near to each other by chance.
    variance = (statistics.spread + cv2.blur(statistics.spread, (15, 15))) / 2 + 0.5
    strength = np.sqrt(statistics.frames * statistics.coherent / variance)
    aside = _grown((strength >= _COHERENT) | ~shown, _SLACK_PX)
    side = 2 * _AROUND_PX + 1
    free, coherent, spread = (
        np.maximum(cv2.blur(np.where(aside, np.float32(0), field), (side, side)), 0)
        for field in (np.ones_like(strength), statistics.coherent, statistics.spread)
    )
    different = np.minimum(1 + spread / np.maximum(coherent, 1e-6), statistics.frames)
    different[free < _LEAST_FREE] = 0
    return (strength * np.sqrt(different / statistics.frames)).astype(np.float32, copy=False)


def _groups(edges: Mask, still: Mask) -> NDArray[np.int32]:
    """Number what lies together, from 1: edges that are near to each other, and what stands still beside them."""
    grown, shrunk = 2 * _JOIN_PX + 1, 2 * (_JOIN_PX - _SLACK_PX) + 1
    near = cv2.erode(cv2.dilate(edges.astype(np.uint8), np.ones((grown, grown))), np.ones((shrunk, shrunk)))
    areas = cv2.morphologyEx(still.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5))) > 0
    together = (near > 0) | _grown(areas, _SLACK_PX)
    labels = cv2.connectedComponents(together.astype(np.uint8))[1].astype(np.int32, copy=False)
    sizes = np.bincount(labels[edges], minlength=int(labels.max()) + 1)
    kept = np.flatnonzero(sizes >= _LEAST_EDGE_PX)
    numbers = np.zeros(sizes.size, np.int32)
    numbers[kept] = np.arange(1, kept.size + 1)
    numbered: NDArray[np.int32] = numbers[labels]
    return numbered


def _is_shown(frames: Sequence[Pixels], statistics: _Statistics, edges: Mask) -> bool:
    """Whether nearly every frame shows the edges of a group."""
    box = bounds(edges)
    mean_x, mean_y = statistics.mean_x[edges], statistics.mean_y[edges]
    least = _SUPPORTING * float((mean_x * mean_x + mean_y * mean_y).sum())
    showing = 0
    for frame in frames:
        _, right, down = _gradient(frame[box])
        showing += float((right[edges[box]] * mean_x + down[edges[box]] * mean_y).sum()) >= least
    return showing >= _SUPPORT * len(frames)


def _differs_around(frames: Sequence[Pixels], shape: Mask, nowhere: Mask) -> bool:
    """Whether the map around a group differs from frame to frame.

    Medians decide: in means, a few frames with steep gradients would hide that most frames show the same.

    Args:
        shape: The group with its holes.
        nowhere: What belongs to no group and to no mask.
    """
    around = _grown(shape, _AROUND_PX) & ~_grown(shape, _MARGIN_PX)
    rim = around & nowhere
    size = np.count_nonzero(rim)
    if size <= _LEAST_FREE * np.count_nonzero(around):
        return False
    box = bounds(rim)
    steps = np.stack([field[rim[box]] for frame in frames for field in _gradient(frame[box])[1:]])
    steps = steps.reshape(len(frames), 2, size)
    middle = np.median(steps, axis=0)
    spread = float(np.square(_DEVIATION * np.median(np.abs(steps - middle), axis=0)).sum())
    coherent = float(np.square(middle).sum())
    energy = coherent + spread
    return bool(energy >= _LEAST_ENERGY * size and np.pi / 2 * energy >= _LEAST_DIFFERENT * coherent)


def _grown(shape: Mask, reach_px: int) -> Mask:
    side = 2 * reach_px + 1
    return np.greater(cv2.dilate(shape.astype(np.uint8), np.ones((side, side))), 0)


def _filled(group: Mask) -> Mask:
    """Return a group with its holes, such as changing digits leave, but for those that are too large."""
    number, labels, table, _ = cv2.connectedComponentsWithStats((~group).astype(np.uint8), connectivity=4)
    stats: NDArray[np.int64] = table.astype(np.int64)
    height, width = group.shape[:2]
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    inside = (left > 0) & (top > 0) & (right < width) & (bottom < height)
    holes = inside & (stats[:, cv2.CC_STAT_AREA] <= _LARGEST_HOLE * height * width) & (np.arange(number) > 0)
    filled: Mask = group | holes[labels]
    return filled
