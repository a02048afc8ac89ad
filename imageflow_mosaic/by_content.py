"""Screenshots whose pixels differ slightly everywhere to the offset between them, to a fraction of a pixel.

Candidates are peaks of the correlation over all of the range; one is accepted where sub-windows all over the overlap
agree on it, hardly any contradicts it, and sub-windows refute every other candidate. A sprite that moves or a panel
that stands still is outvoted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from imageflow_domain.geometry import Offset
from imageflow_domain.placement import PairRefusal
from imageflow_mosaic.content import Floats, Pairing
from imageflow_mosaic.correlation import Candidate, candidates
from imageflow_mosaic.subwindows import AGREES, SIDE_PX, Differing, Fit, fit, reliefs_of

_CANDIDATES = 16
"""Where so many are alike, structure repeats, and there may be more."""

_REPEATS_PX = 96
"""Waves, bricks and woods repeat within so many pixels: rivals are looked for as far, however small the reach."""

_RIVAL_SHARE = 0.5
"""A candidate whose correlation is below so much of the accepted one's is no rival."""

_RIVAL_AGREEING = 0.25
"""A candidate on which fewer sub-windows agree explains nothing, as a share of the accepted one's that both compare."""

_RIVAL_LEAST = 4
"""Sub-windows: fewer agree by chance."""

_MIN_AGREEING = 12
"""Sub-windows: fewer may be one sprite, and sprites repeat."""

_MIN_EXTENT_PX = 96
"""Sub-windows that agree must come from farther apart than one sprite is wide."""

_MOST_CONTRADICTING = 0.2
"""Of the sub-windows compared: more is no sprite but another place."""

_REFUTING = 8
"""Sub-windows that must refute another candidate, where none prefers it."""

_FOR_EACH_AGAINST = 3
"""Sub-windows that must refute another candidate for each that prefers it."""

_SAME_PX = 2
"""Fits that lie no farther apart are one."""

_MAX_SIGMA_PX = 0.35
"""An offset that is less certain than this does not say which pixel is meant."""

_MEASURED_ON = 64
"""Sub-windows that the noise is measured on."""


@dataclass(frozen=True, kw_only=True)
class ContentMatch:
    """A shift of pictures from where they are expected that their content agrees on."""

    shift: Offset
    """In whole pixels."""
    dx_px: float
    dy_px: float
    """What the shift is beyond whole pixels."""
    sigma_px: float
    """Standard error on the worse axis."""
    agreeing: int
    contradicting: int
    """Sub-windows."""
    refuting: int
    """Sub-windows that refute the candidate that is refuted least; all that agree where there is no other one."""
    noise: float
    """Standard deviation of the difference of two pictures' brightness where they agree, in grey levels."""


def register_by_content(pairings: Sequence[Pairing], reach_px: int) -> ContentMatch | PairRefusal:
    """Return the shift that the pairings agree on, or why content does not tell.

    Args:
        pairings: Their moving pictures are all shifted alike from where each is expected.
        reach_px: Largest shift, on either axis.
    """
    searched_px = max(reach_px, _REPEATS_PX)
    found = candidates(pairings, searched_px, _CANDIDATES)
    within = [candidate for candidate in found if _longest(candidate.shift) <= reach_px + _SAME_PX]
    if not within:
        return PairRefusal.PLAIN
    fits = _Fits(pairings, searched_px)
    likeliest = fits.likeliest(within, reach_px)
    if likeliest is None:
        return PairRefusal.DIFFERENT if fits.compared(within) >= _MIN_AGREEING else PairRefusal.PLAIN
    candidate, best = likeliest
    rivals = [other for other in found if other.score >= _RIVAL_SHARE * candidate.score]
    refuting = fits.refuting(best, rivals) if len(rivals) < _CANDIDATES else None
    if refuting is None:
        return PairRefusal.REPEATED
    differing = best.differing(best.calm)
    return ContentMatch(
        shift=best.shift,
        dx_px=best.dx_px,
        dy_px=best.dy_px,
        sigma_px=best.sigma_px,
        agreeing=differing.agreeing,
        contradicting=differing.contradicting,
        refuting=refuting,
        noise=_noise(pairings, best.shift, differing),
    )


class _Fits:
    """Fits of some pairings, each made once."""

    def __init__(self, pairings: Sequence[Pairing], searched_px: int) -> None:
        self._reliefs = [reliefs_of(pairing, searched_px) for pairing in pairings]
        self._made: dict[Candidate, Fit | None] = {}

    def of(self, candidate: Candidate) -> Fit | None:
        if candidate not in self._made:
            self._made[candidate] = fit(self._reliefs, candidate.shift)
        return self._made[candidate]

    def likeliest(self, found: Sequence[Candidate], reach_px: int) -> tuple[Candidate, Fit] | None:
        """Return the candidate whose fit lies within reach and holds with the most sub-windows that agree, and it.

        That is the first one nearly always; the others are looked at where it does not hold.
        """
        holding: list[tuple[Candidate, Fit]] = []
        for candidate in found:
            made = self.of(candidate)
            if made is not None and _longest(made.shift) <= reach_px + 1 and _holds(made):
                holding.append((candidate, made))
                if candidate is found[0]:
                    break
        return max(holding, key=lambda pair: pair[1].differing(pair[1].calm).agreeing, default=None)

    def compared(self, found: Sequence[Candidate]) -> int:
        """Return how many sub-windows the likeliest candidates compare, at most."""
        made = [one.differing(one.calm) for one in map(self.of, found) if one is not None]
        return max((one.agreeing + one.contradicting for one in made), default=0)

    def refuting(self, best: Fit, rivals: Sequence[Candidate]) -> int | None:
        """Return how many sub-windows refute the rival that is refuted least; `None` where that is not refuted.

        Noise is the same at both, so it is no more than what differs at either.
        """
        least = best.differing(best.calm).agreeing
        for rival in map(self.of, rivals):
            if rival is None or _longest(rival.shift - best.shift) <= _SAME_PX:
                continue
            calm = [min(pair) for pair in zip(best.calm, rival.calm, strict=True)]
            ours, others = best.differing(calm), rival.differing(calm)
            mine, theirs = _common(ours, others)
            if others.agreeing < max(_RIVAL_LEAST, _RIVAL_AGREEING * int((mine < AGREES).sum())):
                continue
            refuting = int(((mine < theirs / 2) & (theirs > AGREES)).sum())
            preferring = int(((theirs < mine / 2) & (mine > AGREES)).sum())
            if refuting < _REFUTING + _FOR_EACH_AGAINST * preferring:
                return None
            least = min(least, refuting)
        return least


def _longest(offset: Offset) -> int:
    return max(abs(offset.dx_px), abs(offset.dy_px))


def _holds(made: Fit) -> bool:
    """Whether sub-windows agree in numbers, from places that no single sprite covers, and next to none contradicts."""
    differing = made.differing(made.calm)
    agreeing, against = differing.agreeing, differing.contradicting
    return (
        agreeing >= _MIN_AGREEING
        and made.sigma_px <= _MAX_SIGMA_PX
        and differing.extent_px >= _MIN_EXTENT_PX
        and against <= _MOST_CONTRADICTING * (against + agreeing)
    )


def _common(first: Differing, second: Differing) -> tuple[Floats, Floats]:
    """The shares of sub-windows that are compared at both shifts, one after the other."""
    mine, theirs = [], []
    for one, other in zip(first.shares, second.shares, strict=True):
        rows, columns = min(one.shape[0], other.shape[0]), min(one.shape[1], other.shape[1])
        one, other = one[:rows, :columns], other[:rows, :columns]
        both = ~(np.isnan(one) | np.isnan(other))
        mine.append(one[both])
        theirs.append(other[both])
    return np.concatenate(mine), np.concatenate(theirs)


def _noise(pairings: Sequence[Pairing], shift: Offset, differing: Differing) -> float:
    squares = [
        float(np.mean(difference**2))
        for pairing, shares in zip(pairings, differing.shares, strict=True)
        for difference in _differences(pairing, shift, shares)
    ]
    return float(np.sqrt(np.median(squares)))


def _differences(pairing: Pairing, shift: Offset, shares: Floats) -> Iterator[Floats]:
    """Yield the differences in brightness of some sub-windows that agree."""
    rows, columns = np.nonzero(shares < AGREES)
    every = max(1, rows.size // _MEASURED_ON)
    offset = pairing.expected + shift
    for row, column in zip(rows[::every].tolist(), columns[::every].tolist(), strict=True):
        top, left = row * SIDE_PX, column * SIDE_PX
        mine = pairing.moving.grey[top : top + SIDE_PX, left : left + SIDE_PX]
        top, left = top + offset.dy_px, left + offset.dx_px
        theirs = pairing.reference.grey[top : top + SIDE_PX, left : left + SIDE_PX]
        yield mine.astype(np.float32) - theirs
