"""Where a score says yes: biases are moved so that 0.5 is the threshold that validation pictures ask for."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from imageflow_models.network import HEAT, KINDS, SCORES
from imageflow_models.products import Drawn

ALARMS_A_KIND = 0.002
"""The share of good validation pictures that each kind may call bad."""
_FLOOR = 0.05


def calibrate(
    weights: Mapping[str, NDArray[np.float32]],
    products: Sequence[Drawn],
    answers: Mapping[str, NDArray[np.float32]],
) -> dict[str, NDArray[np.float32]]:
    """Return weights whose scores and heat pass 0.5 where they say yes.

    Args:
        weights: Of the trained net.
        products: For validation, at least a few hundred good ones.
        answers: Outputs of the net with these weights for them.
    """
    good = np.array([product.is_good for product in products])
    calibrated = dict(weights)
    hottest = answers["scores"][good].max(axis=1)
    calibrated[f"{SCORES}.bias"] = weights[f"{SCORES}.bias"] - np.array(
        [_logit(_threshold(hottest[:, column])) for column in range(len(KINDS))], np.float32
    )
    heat = answers["heat"][good].max(axis=(1, 2, 3))
    calibrated[f"{HEAT}.bias"] = weights[f"{HEAT}.bias"] - np.float32(_logit(_threshold(heat, len(KINDS))))
    return calibrated


def _threshold(scores: NDArray[np.float32], kinds: int = 1) -> float:
    """Return the score that so few good pictures reach, and no lower than what is plainly noise."""
    return max(float(np.quantile(scores, 1 - kinds * ALARMS_A_KIND)), _FLOOR)


def _logit(share: float) -> float:
    share = min(share, 1 - 1e-6)
    return math.log(share / (1 - share))
