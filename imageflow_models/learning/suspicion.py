"""Detection of good images that may be bad, and of folders that may hold two products."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_OUTLIER = 4.0
"""Robust standard deviations of the logarithm of scores."""
_APART = 10.0
"""Ashman's D from which two groups may be two products; 2 is a visible valley. Thirty photographs of magnetic tiles
of two batches reach 7, tiles and drawn parts together 16 and more."""
_SMALL_GROUP = 0.1
_ROUNDS = 50


@dataclass(frozen=True, kw_only=True)
class TwoGroups:
    """Images that fall into two groups that are far apart, as indices."""

    first: tuple[int, ...]
    second: tuple[int, ...]


def outliers(scores: NDArray[np.float64]) -> tuple[int, ...]:
    """Return the images, the worst first, whose scores lie far above those of the others."""
    logarithms = np.log(np.maximum(scores, 1e-9))
    middle = float(np.median(logarithms))
    deviation = 1.4826 * float(np.median(np.abs(logarithms - middle)))
    worst = np.argsort(-scores)
    return tuple(int(i) for i in worst if logarithms[i] > middle + _OUTLIER * max(deviation, 0.02))


def two_groups(descriptors: NDArray[np.float64]) -> TwoGroups | None:
    """Return two groups of images that are far apart, if there are two; `None` otherwise.

    Args:
        descriptors: Images x numbers that describe each as a whole.
    """
    centred = descriptors - descriptors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    along = centred @ axes[0]
    is_second = _split(along)
    groups = along[~is_second], along[is_second]
    if min(map(len, groups)) < max(2, _SMALL_GROUP * len(along)):
        return None
    spread = np.sqrt((groups[0].var() + groups[1].var()) / 2)
    if abs(groups[1].mean() - groups[0].mean()) < _APART * max(float(spread), 1e-9):
        return None
    return TwoGroups(first=_indices(~is_second), second=_indices(is_second))


def _split(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which values belong to the upper of two clusters (k-means on a line)."""
    limit = float(values.min() + values.max()) / 2
    for _ in range(_ROUNDS):
        upper = values > limit
        if upper.all() or not upper.any():
            break
        moved = float(values[upper].mean() + values[~upper].mean()) / 2
        if moved == limit:
            break
        limit = moved
    return values > limit


def _indices(chosen: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(chosen))


def named(names: Sequence[str], indices: Sequence[int], most: int = 5) -> str:
    """Return the names of some images for a message, shortened."""
    more = f" and {len(indices) - most} more" if len(indices) > most else ""
    return ", ".join(names[i] for i in indices[:most]) + more
