"""How far one unit of scrolling moves a camera, from moves that were seen. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_EQUAL_PX = 1.5
_EQUAL_SHARE = 0.02
"""How far from whole units a move may be: of its length."""

_OF_UNIT = 1 / 6
"""How far from whole units a move may be: of a unit, or any distance would fit small ones."""

_LOST_SHARE = 0.25
"""Of all units: where more do nothing, units are no measure of how far a camera goes."""

_LEAST_MOVES = 2


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One move: what was sent, and what was seen of it."""

    units: int
    """Presses, notches, pushes or pixels of the pointer; below 0 to the left and up."""
    along_px: float | None
    """How far the camera went along that axis, below 0 to the left and up; `None` where nothing is distinctive."""
    across_px: float = 0.0
    """How far it went along the other axis."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What the moves along one axis have in common."""

    unit_px: float
    """How far one unit moves the camera; below 0 where it goes the other way."""
    slip_px: float
    """How much less far each move goes than its units say: some programs lose the first part of a drag."""
    variation_px: float
    """Largest distance of a move from whole units."""
    across_px: float
    """Largest distance that the camera went along the other axis."""
    moves: int
    """How many were seen."""
    unseen: int
    """Moves that the pictures did not show."""
    sent: int
    """Units of the moves that were seen."""
    lost: int
    """Units among them that did nothing."""

    def expected_px(self, units: int) -> float:
        """Return how far a move of so many units should go."""
        return units * self.unit_px - _sign(units) * self.slip_px

    @property
    def is_even(self) -> bool:
        """Whether each unit that does something goes equally far, and along its own axis."""
        return max(self.variation_px, self.across_px) <= max(_EQUAL_PX, _EQUAL_SHARE * abs(self.unit_px))

    @property
    def is_steady(self) -> bool:
        """Whether units are even, and few do nothing."""
        return self.is_even and self.lost <= _LOST_SHARE * self.sent


def scale_of(trials: Sequence[Trial], *, may_lose: bool) -> Scale | None:
    """Return what moves of an axis have in common; `None` where fewer than two of them were seen to go anywhere.

    Args:
        may_lose: Whether whole units may do nothing, as key presses and notches do. Pixels of a pointer may not.
    """
    seen = [(trial, float(trial.along_px)) for trial in trials if trial.along_px is not None]
    went = [(trial.units, px) for trial, px in seen if abs(px) > _EQUAL_PX]
    if len(went) < _LEAST_MOVES:
        return None
    sent = sum(abs(trial.units) for trial, _ in seen)

    def made_of(effects: Sequence[int], unit_px: float, slip_px: float, lost: int) -> Scale:
        rests = [
            abs(px - effect * unit_px + _sign(effect) * slip_px) for effect, (_, px) in zip(effects, went, strict=True)
        ]
        return Scale(
            unit_px=unit_px,
            slip_px=slip_px,
            variation_px=max(rests),
            across_px=max(abs(trial.across_px) for trial, _ in seen),
            moves=len(seen),
            unseen=len(trials) - len(seen),
            sent=sent,
            lost=lost,
        )

    all_units, distances = [units for units, _ in went], [px for _, px in went]
    if not may_lose:
        return made_of(all_units, *_with_slip(went), lost=0)
    first_px = _fitting(went)
    effects = [_effect(units, px, first_px) for units, px in went]
    unit_px = _least_squares(effects, distances) or first_px
    scale = made_of(effects, unit_px, 0.0, sent - sum(map(abs, effects)))
    if scale.is_even:
        return scale
    # units that go unequally far tell nothing of lost ones
    return made_of(all_units, _least_squares(all_units, distances), 0.0, 0)


def _fitting(went: Sequence[tuple[int, float]]) -> float:
    """Return the distance of one unit that explains most moves, each as at most the units that were sent."""

    def explained(unit_px: float) -> tuple[int, float]:
        fits = 0
        for units, px in went:
            effect = px / unit_px
            off_px = abs(px - round(effect) * unit_px)
            limit_px = min(max(_EQUAL_PX, _EQUAL_SHARE * abs(px)), _OF_UNIT * abs(unit_px))
            fits += off_px <= limit_px and 0 < round(effect) * _sign(units) <= abs(units)
        return fits, abs(unit_px)

    return max((px / units for units, px in went), key=explained)


def _with_slip(went: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Return the distance of one unit, and what each move loses of it, by least squares."""
    lengths = np.array([abs(units) for units, _ in went], np.float64)
    distances = np.array([px * _sign(units) for units, px in went], np.float64)
    unit_px = float(lengths @ distances / (lengths @ lengths))
    if np.unique(lengths).size < _LEAST_MOVES:
        return unit_px, 0.0
    steep_px, rest_px = (float(number) for number in np.polyfit(lengths, distances, 1))
    return (steep_px, -rest_px) if abs(rest_px) >= 1.0 else (unit_px, 0.0)


def _effect(units: int, px: float, unit_px: float) -> int:
    effect = round(px / unit_px)
    return max(-abs(units), min(abs(units), effect))


def _least_squares(effects: Sequence[int], distances: Sequence[float]) -> float:
    squares = sum(effect * effect for effect in effects)
    return sum(effect * px for effect, px in zip(effects, distances, strict=True)) / squares if squares else 0.0


def _sign(units: int) -> int:
    return 1 if units > 0 else -1
