"""A pose refined on the brightness of all pixels, those that are covered by something else excepted.

Efficient second-order minimisation (S. Benhimane and E. Malis, 2004) with Tukey's weights.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from imageflow_pipelines.alignment.levels import Level, derivatives, normalised
from imageflow_pipelines.alignment.pose import Floats, Matrix, warped

_MOST_PIXELS = 16_000
_TUKEY = 4.685
_LEAST_SPREAD, _FIRST_SPREAD, _CLOSER = 0.15, 0.8, 0.6
"""Of brightness whose contrast is removed: residuals that are small against it are all equally good. It is large at
first, as an edge that is off by its own width must not be taken for something that covers the part."""
_LEAST_ROUNDS = 4
_SETTLED_PX = 0.004


class Motion(StrEnum):
    """What may differ between the reference and the image."""

    RIGID = "rigid"
    """Place and angle."""
    SIMILARITY = "similarity"
    """Place, angle and scale."""
    PERSPECTIVE = "perspective"
    """The view of a plane."""


def used_pixels(level: Level) -> NDArray[np.intp]:
    """Return the flat indices of the pixels that say most of where a level is."""
    x, y = level.slopes
    steepness = (x * x + y * y).ravel()
    if len(steepness) <= _MOST_PIXELS:
        return np.arange(len(steepness))
    return np.sort(np.argpartition(steepness, -_MOST_PIXELS)[-_MOST_PIXELS:])


def refine(
    level: Level, image: Level, pose: Matrix, motion: Motion, pixels: NDArray[np.intp], *, rounds: int
) -> Matrix | None:
    """Return a better pose between two levels of one factor; `None` where there is nothing to go by.

    Args:
        level: Of the reference.
        image: Of the image.
        pose: From the one to the other, off by a few pixels at the most.
        motion: What may change.
        pixels: Those of the reference that are compared, as flat indices.
        rounds: Stop after so many, if it has not settled before.
    """
    rows, columns = np.divmod(pixels, level.width_px)
    reach = max(level.width_px, level.height_px) / 2
    x = ((columns + 0.5 - level.width_px / 2) / reach).astype(np.float32)
    y = ((rows + 0.5 - level.height_px / 2) / reach).astype(np.float32)
    slope_x, slope_y = (slope.ravel()[pixels] for slope in level.slopes)
    wanted = level.normal.ravel()[pixels]
    seen_all = np.ones(image.grey.shape, np.float32)
    for number in range(rounds):
        grey = warped(image.grey, pose, level.width_px, level.height_px)
        seen = warped(seen_all, pose, level.width_px, level.height_px).ravel()[pixels] > 0.99
        normal = normalised(grey, level.window_px)
        given_x, given_y = (slope.ravel()[pixels] for slope in derivatives(normal))
        residual = wanted - normal.ravel()[pixels]
        weights = _weights(residual, seen, max(_LEAST_SPREAD, _FIRST_SPREAD * _CLOSER**number))
        half = np.float32(0.5)
        steps = _steps(motion, x, y, half * (slope_x + given_x), half * (slope_y + given_y))
        weighted = steps * weights
        normal_matrix = weighted @ steps.T
        damping = 1e-4 * np.trace(normal_matrix) / len(steps) + 1e-9
        change = np.linalg.solve(normal_matrix + damping * np.eye(len(steps)), weighted @ residual)
        if not np.isfinite(change).all():
            return None
        pose = pose @ _moved(motion, change, reach, level)
        pose = pose / pose[2, 2]
        if number >= _LEAST_ROUNDS and np.abs(change).max() < _SETTLED_PX:
            break
    return pose


def _weights(residual: Floats, seen: NDArray[np.bool_], least_spread: float) -> Floats:
    """Return Tukey's weights; pixels outside the image have none."""
    spread = 1.4826 * float(np.median(np.abs(residual[seen]))) if seen.any() else 1.0
    share = residual / (_TUKEY * max(spread, least_spread))
    return np.where(seen & (np.abs(share) < 1), (1 - share * share) ** 2, 0).astype(np.float32)


def _steps(motion: Motion, x: Floats, y: Floats, slope_x: Floats, slope_y: Floats) -> NDArray[np.float64]:
    """Return how brightness changes with each parameter, shape (parameters, pixels)."""
    along = [slope_x, slope_y, x * slope_y - y * slope_x]
    if motion is not Motion.RIGID:
        along.append(x * slope_x + y * slope_y)
    if motion is Motion.PERSPECTIVE:
        radial = x * slope_x + y * slope_y
        along += [x * slope_x - y * slope_y, y * slope_x + x * slope_y, -x * radial, -y * radial]
    return np.asarray(np.stack(along), np.float64)


def _moved(motion: Motion, change: NDArray[np.float64], reach: float, level: Level) -> Matrix:
    """Return the change of the pose in the reference's pixels; distances are in parts of `reach` but for the shift."""
    shift_x, shift_y, turn = change[:3]
    grow = change[3] if motion is not Motion.RIGID else 0.0
    stretch, shear, tilt_x, tilt_y = change[4:] if motion is Motion.PERSPECTIVE else (0.0,) * 4
    turn, grow, stretch, shear, tilt_x, tilt_y = (
        value / reach for value in (turn, grow, stretch, shear, tilt_x, tilt_y)
    )
    if motion is Motion.PERSPECTIVE:
        local = np.array([(1 + grow + stretch, shear - turn, 0), (shear + turn, 1 + grow - stretch, 0), (0, 0, 1.0)])
    else:
        scale = 1 + grow
        local = np.array(
            [
                (scale * np.cos(turn), -scale * np.sin(turn), 0),
                (scale * np.sin(turn), scale * np.cos(turn), 0),
                (0, 0, 1.0),
            ]
        )
    local[2, :2] = tilt_x, tilt_y
    local[0, 2], local[1, 2] = shift_x / reach, shift_y / reach
    frame = np.array([(reach, 0, level.width_px / 2), (0, reach, level.height_px / 2), (0, 0, 1.0)])
    return np.asarray(frame @ local @ np.linalg.inv(frame), np.float64)
