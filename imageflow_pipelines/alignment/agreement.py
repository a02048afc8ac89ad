"""How much of a part is seen at a pose: the share of its cells whose brightness runs as in the reference."""

from dataclasses import dataclass

import cv2
import numpy as np

from imageflow_pipelines.alignment.levels import Level, derivatives, local_statistics, normalised
from imageflow_pipelines.alignment.pose import Floats, Matrix, inverse, warped

_STRUCTURED = 4.0
"""Grey levels: cells of less contrast say nothing."""
_MOST_WEIGHT = 16.0
"""Grey levels: more contrast does not count more."""
_AGREES_FROM, _AGREES_TO = 0.35, 0.75
"""Correlations that count nothing, and that count fully."""
_DECIDES = 0.4
"""Of brightness whose contrast is removed: poses that differ more at a pixel can be told apart there."""
_SHIFT_PX = 0.5
_SEEN = 0.99


@dataclass(frozen=True, eq=False)
class Agreement:
    """What each place of the reference says about a pose, by the cell around it; shape (height, width)."""

    weights: Floats
    """How much a place counts."""
    agrees: Floats
    """0 to 1."""
    cell_px: int

    @property
    def score(self) -> float:
        """The share of what counts that agrees, 0 to 1."""
        total = float(self.weights.sum())
        return float((self.weights * self.agrees).sum()) / total if total > 0 else 0.0


def agreement(level: Level, image: Level, pose: Matrix) -> Agreement:
    """Compare a level of the reference with what an image's level of the same factor shows at a pose."""
    width, height = level.width_px, level.height_px
    seen = warped(np.ones(image.grey.shape, np.float32), pose, width, height) > _SEEN
    grey = warped(image.grey, pose, width, height)
    side = max(7, max(width, height) // 16) | 1
    mean, spread = local_statistics(level.grey, side)
    other_mean, other_spread = local_statistics(grey, side)
    product = cv2.blur(level.grey * grey, (side, side), borderType=cv2.BORDER_REFLECT_101) - mean * other_mean
    correlation = product / (spread * other_spread + 1.0)
    agrees = np.clip((correlation - _AGREES_FROM) / (_AGREES_TO - _AGREES_FROM), 0, 1) * seen
    weights = np.where(spread > _STRUCTURED, np.minimum(spread, _MOST_WEIGHT), 0)
    return Agreement(weights.astype(np.float32), agrees.astype(np.float32), side)


def pixels_for(level: Level, image: Level, one: Matrix, other: Matrix) -> tuple[float, float]:
    """Return how many pixels speak for the one pose, and how many for the other.

    Those count at which the reference differs between both poses, where the surroundings agree at one of them.
    """
    between = inverse(other) @ one
    there, seen, agrees = (
        warped(values, between, level.width_px, level.height_px)
        for values in (level.normal, np.ones(level.grey.shape, np.float32), agreement(level, image, other).agrees)
    )
    explained = (np.maximum(agreement(level, image, one).agrees, agrees) > 0) & (seen > _SEEN)
    given = normalised(warped(image.grey, one, level.width_px, level.height_px), level.window_px)
    # At an edge, poses that differ by a part of a pixel differ much.
    least = _DECIDES + _SHIFT_PX * (_steepness(level.normal) + _steepness(there))
    differs = (explained & (np.abs(level.normal - there) > least)).astype(np.uint8)
    # Lines one pixel wide are what is left of edges that were sampled at other places.
    decides = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
    misses, other_misses = (
        np.minimum(np.abs(cv2.GaussianBlur(given - values, (0, 0), 1.0))[decides], 1.0)
        for values in (level.normal, there)
    )
    gain = other_misses - misses
    return float(gain[gain > 0].sum()), float(-gain[gain < 0].sum())


def _steepness(values: Floats) -> Floats:
    """Return by how much brightness changes over a pixel."""
    x, y = derivatives(values)
    return np.hypot(x, y)
