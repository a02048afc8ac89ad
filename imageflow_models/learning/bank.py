"""What good images look like at any place: a selection of their features, and the distance of others from it."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from imageflow_models.learning.trunk import CHANNELS, Floats

_POINTS = 3_000
_POOL = 60_000
_PROJECTED = 48
_AT_ONCE = 4_096


@dataclass(frozen=True, kw_only=True)
class Bank:
    """Selected features, scaled so that those of good images have mean 0 and variance 1 over all channels."""

    mean: Floats
    """By channel."""
    scale: float
    points: Floats
    """Points x channels, scaled."""
    owners: NDArray[np.int64]
    """For each point the index of the image that it comes from."""

    @classmethod
    def select(cls, samples: Floats, owners: NDArray[np.int64], random: np.random.Generator) -> Self:
        """Select the points from which no sample is far (greedy k-center on a random projection, as PatchCore does).

        Args:
            samples: N x channels.
            owners: For each sample the index of its image.
            random: For the projection and the first point.
        """
        mean = samples.mean(axis=0)
        scale = float(samples.std()) or 1.0
        scaled = (samples - mean) / np.float32(scale)
        chosen = _spread_out(scaled, min(_POINTS, len(scaled)), random)
        return cls(mean=mean, scale=scale, points=scaled[chosen], owners=owners[chosen])

    def distances(self, features: Floats, leave_out: int | None = None) -> Floats:
        """Return rows x columns: how far each place is from the nearest point.

        Args:
            features: Rows x columns x channels.
            leave_out: An image whose own points do not count.
        """
        rows, columns, _ = features.shape
        points = self.points if leave_out is None else self.points[self.owners != leave_out]
        lengths = (points**2).sum(axis=1)
        scaled = (features.reshape(-1, CHANNELS) - self.mean) / np.float32(self.scale)
        nearest = [
            (lengths - 2 * (part @ points.T)).min(axis=1) + (part**2).sum(axis=1)
            for part in np.array_split(scaled, max(1, len(scaled) // _AT_ONCE))
        ]
        squares = np.maximum(np.concatenate(nearest), 0)
        return np.asarray(np.sqrt(squares).reshape(rows, columns), np.float32)


def samples_an_image(images: int, places: int) -> int:
    """Return how many places of each image are candidates for points."""
    return min(places, -(-_POOL // images))


def _spread_out(samples: Floats, count: int, random: np.random.Generator) -> NDArray[np.int64]:
    projection = random.standard_normal((samples.shape[1], _PROJECTED), np.float32) / np.float32(_PROJECTED**0.5)
    projected = samples @ projection
    lengths = (projected**2).sum(axis=1)
    chosen = np.empty(count, np.int64)
    chosen[0] = random.integers(len(samples))
    nearest = np.full(len(samples), np.inf, np.float32)
    for i in range(1, count):
        point = projected[chosen[i - 1]]
        np.minimum(nearest, lengths - 2 * (projected @ point) + point @ point, out=nearest)
        chosen[i] = nearest.argmax()
    return chosen
