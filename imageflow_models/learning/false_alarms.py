"""The score from which an image is bad, set by good images alone, and what so few images can promise."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A score, and the rate of false alarms that it leads to. Rates are shares from 0 to 1."""

    score: float
    wanted_rate: float
    images: int
    alarms: int
    """Of these images, scored by a model that has not seen the one that it scores."""
    suspects: int
    """Images that are unlike all others: counted as alarms, but they do not move the threshold."""

    @property
    def highest_rate(self) -> float:
        """What the rate on further images stays below, with 95 % confidence."""
        return upper_limit(self.alarms, self.images)

    def describe(self) -> str:
        """Return the promise in a few sentences."""
        suspects = f" ({self.suspects} of them unlike all others)" if self.suspects else ""
        found = (
            f"At the threshold {self.alarms} of {self.images} good images would be false alarms{suspects}: the rate is "
            f"at most {percent(self.highest_rate)} (95 % confidence)."
        )
        if self.highest_rate <= self.wanted_rate:
            return found
        return (
            f"{found} {promise(self.images)} A rate of {percent(self.wanted_rate)} takes "
            f"{images_to_show(self.wanted_rate):,} good images."
        )


def set_threshold(scores: NDArray[np.float64], rate: float, suspects: int = 0) -> Threshold:
    """Return the lowest score that at most a share `rate` of good images exceeds.

    Args:
        scores: Of good images, none of which the model that scored it has seen.
        rate: The wanted rate of false alarms, between 0 and 1.
        suspects: So many of the highest scores are of images that may be bad: were they to move the threshold, two bad
            images among a hundred would hide most defects.
    """
    alarms = max(int(rate * len(scores)), suspects)
    return Threshold(
        score=float(np.sort(scores)[::-1][alarms]),
        wanted_rate=rate,
        images=len(scores),
        alarms=alarms,
        suspects=suspects,
    )


def upper_limit(alarms: int, images: int) -> float:
    """Return the upper end of a rate's two-sided confidence interval (Clopper and Pearson, Biometrika 1934)."""
    return 1.0 if alarms == images else float(beta.ppf((1 + CONFIDENCE) / 2, alarms + 1, images - alarms))


def images_to_show(rate: float) -> int:
    """Return how many good images it takes, none of them an alarm, to show that the rate is at most this."""
    return math.ceil(math.log((1 - CONFIDENCE) / 2) / math.log1p(-rate))


def promise(images: int) -> str:
    """Return what so many good images can promise, as a sentence."""
    return f"{images} good images: at most {percent(upper_limit(0, images))} false alarms can be shown."


def percent(share: float) -> str:
    """Return a share as text, with two significant digits."""
    return f"{100 * share:.2g} %" if share < 0.995 else "100 %"
