"""From good images to a model: features, bank, usual distances, and scores of each image without itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imageflow_models.learning.bank import Bank, samples_an_image
from imageflow_models.learning.feature_files import FeatureFiles
from imageflow_models.learning.normality import Normality, score_map
from imageflow_models.learning.photographs import Photograph
from imageflow_models.learning.size import Size
from imageflow_models.learning.trunk import CHANNELS, Floats


@dataclass(frozen=True, kw_only=True)
class GoodImages:
    """What was learned from good images; indices are those of the photographs."""

    bank: Bank
    normality: Normality
    maps: Floats
    """Images x rows x columns: scores, each image's by what the others taught."""
    descriptors: NDArray[np.float64]
    """Images x channels: the mean features of each."""

    @property
    def scores(self) -> NDArray[np.float64]:
        """The highest score of each image."""
        return np.asarray(self.maps.max(axis=(1, 2)), np.float64)


def learn_good(
    photographs: Sequence[Photograph],
    features: FeatureFiles,
    size: Size,
    seed: int,
    on_progress: Callable[[str, int, int], None],
) -> GoodImages:
    """Learn from photographs of good products.

    Args:
        photographs: At least two.
        features: Of these and other photographs.
        size: To which they are stretched.
        seed: Of which places become points.
        on_progress: Called with the step, how many images are done, and of how many.
    """
    random = np.random.default_rng(seed)
    count = len(photographs)
    rows, columns = size.places
    share = samples_an_image(count, rows * columns)
    samples = np.empty((count * share, CHANNELS), np.float32)
    descriptors = np.empty((count, CHANNELS))
    for i, photograph in enumerate(photographs):
        flat = features.of(photograph).reshape(-1, CHANNELS)
        descriptors[i] = flat.mean(axis=0)
        samples[i * share : (i + 1) * share] = flat[random.permutation(len(flat))[:share]]
        on_progress("Features", i + 1, count)
    bank = Bank.select(samples, np.repeat(np.arange(count), share), random)
    distances = np.empty((count, rows, columns), np.float32)
    for i, photograph in enumerate(photographs):
        distances[i] = bank.distances(features.of(photograph), leave_out=i)
        on_progress("Comparing", i + 1, count)
    normality = Normality.of(distances)
    maps = np.stack([score_map(each, normality.without(each).level()) for each in distances])
    return GoodImages(bank=bank, normality=normality, maps=maps, descriptors=descriptors)
