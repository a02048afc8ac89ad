"""Poses at which a part may lie, found by the directions of its edges at every angle and scale.

Correlation of edge directions in the manner of shape-based matching (C. Steger, 2001): light and dark may be exchanged.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from imageflow_domain.cancellation import Cancellation
from imageflow_pipelines.alignment.levels import Level
from imageflow_pipelines.alignment.pose import Floats, Matrix, farthest_px, inverse, similarity, warped

_STEEP = 0.12
"""Slope of brightness whose contrast is removed at which an edge counts half."""
_RIM_PX = 2.5
"""What angles and scales that are tried lie apart, at the rim of the part."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The poses that are looked for."""

    most_angle_deg: float
    least_scale: float
    most_scale: float


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A pose between two levels."""

    pose: Matrix
    score: float
    """The share of the part's edges that lie there, about."""


def search(
    level: Level, image: Level, over: Range, cancellation: Cancellation, *, most: int, apart_px: float
) -> list[Candidate]:
    """Return the best poses of a reference's level in an image's, the best first, at most `most`.

    The part may reach over the image's border. Poses that put all corners of the part nearer than `apart_px` are one.
    """
    field, spot = _directions(level), _directions(image)
    margin = max(level.width_px, level.height_px) // 2
    side = max(field.shape) * over.most_scale * 1.42
    shape = tuple(scipy.fft.next_fast_len(int(length + 2 * margin + side) + 1) for length in spot.shape)
    padded = np.zeros(shape, np.complex64)
    padded[margin : margin + spot.shape[0], margin : margin + spot.shape[1]] = spot
    spectrum = scipy.fft.fft2(padded)
    found: list[Candidate] = []
    for angle_deg, scale in _tried(over, max(field.shape) / 2):
        cancellation.check()
        found.append(_best_place(field, spectrum, (angle_deg, scale), image, margin))
    return _distinct(sorted(found, key=lambda each: -each.score), level, most, apart_px)


def _directions(level: Level) -> NDArray[np.complex64]:
    """Return the doubled directions of slopes as complex numbers, whose size, 0 to 1, says how steep they are."""
    x, y = level.slopes
    slope = (x + 1j * y).astype(np.complex64)
    return np.asarray(slope * slope / (np.abs(slope) ** 2 + np.float32(_STEEP**2)), np.complex64)


def _tried(over: Range, radius_px: float) -> list[tuple[float, float]]:
    """Return the angles and scales that are tried."""
    step = _RIM_PX / radius_px
    turns = math.ceil(2 * math.radians(over.most_angle_deg) / step)
    if over.most_angle_deg >= 180:
        angles = [360 * i / turns for i in range(turns)]
    else:
        angles = [over.most_angle_deg * (2 * i / turns - 1) for i in range(turns + 1)] if turns else [0.0]
    wide = math.log(over.most_scale / over.least_scale)
    sizes = math.ceil(wide / step)
    scales = [over.least_scale * math.exp(wide * i / sizes) for i in range(sizes + 1)] if sizes else [over.least_scale]
    return [(angle, scale) for angle in angles for scale in scales]


def _best_place(
    field: NDArray[np.complex64],
    spectrum: NDArray[np.complex64],
    tried: tuple[float, float],
    image: Level,
    margin: int,
) -> Candidate:
    angle_deg, scale = tried
    height, width = field.shape
    angle = math.radians(angle_deg)
    cos, sin = scale * abs(math.cos(angle)), scale * abs(math.sin(angle))
    columns, rows = math.ceil(width * cos + height * sin) + 1, math.ceil(width * sin + height * cos) + 1
    there = similarity(angle_rad=angle, scale=scale, around=(width / 2, height / 2), to=(columns / 2, rows / 2))
    template = _warped_field(field, inverse(there), columns, rows) * np.complex64(np.exp(2j * angle))
    # The mean of both kinds of pixels that an image can have at all is what the score is a share of.
    total = float(np.abs(template).sum())
    fitted = np.zeros(spectrum.shape, np.complex64)
    fitted[:rows, :columns] = template
    scores = scipy.fft.ifft2(spectrum * np.conj(scipy.fft.fft2(fitted))).real
    scores = scores[: image.height_px + 2 * margin - rows // 2, : image.width_px + 2 * margin - columns // 2]
    place = int(np.argmax(scores))
    row, column = divmod(place, scores.shape[1])
    score = float(scores[row, column]) / max(total, 1e-6)
    middle = (column - margin + columns / 2, row - margin + rows / 2)
    return Candidate(
        pose=similarity(angle_rad=angle, scale=scale, around=(width / 2, height / 2), to=middle),
        score=round(score, 5),
    )


def _warped_field(field: NDArray[np.complex64], pose: Matrix, width_px: int, height_px: int) -> NDArray[np.complex64]:
    parts: list[Floats] = [
        warped(np.ascontiguousarray(part), pose, width_px, height_px) for part in (field.real, field.imag)
    ]
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def _distinct(candidates: list[Candidate], level: Level, most: int, apart_px: float) -> list[Candidate]:
    kept: list[Candidate] = []
    for each in candidates:
        if len(kept) == most:
            break
        if all(farthest_px(each.pose, other.pose, level.width_px, level.height_px) > apart_px for other in kept):
            kept.append(each)
    return kept
