"""Where a screenshot should lie by dead reckoning: nominal steps, corrected by how steps elsewhere were off.

Errors of a camera that is moved step by step add up along its way, so that neighbours share most of theirs. The
prediction is the best linear one for such errors: least squares over the grid, with an edge between neighbours for each
nominal step, the anchored screenshots held, and the mean error of steps unknown in each direction, so that what is far
from anchored ones is as uncertain as that mean makes it. See N. Cressie, "Statistics for Spatial Data" (1993), kriging.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix

from imageflow_domain.grid import Cell
from imageflow_mosaic.covariance import factored, inverse_diagonal

_STEPS = ((0, 1), (1, 0))
"""Rows and columns to the neighbours that a nominal step leads to."""

_LEAST_SPREAD_PX = 0.5
"""Of errors, where few are known: a few that were alike do not promise the next."""

_FEW = 5
"""Steps that teach nothing about a direction of their own."""

_CLEARLY = 2.0
"""Standard errors by which one of both must have placed the anchored screenshots better to be believed alone."""

_MOST_CORRECTED = 1.5
"""A nominal position is corrected by at most so many times the largest error seen: drift need not continue."""

_SHARED = 1.35
"""Errors of steps in one row or column are alike, which makes their sums vary by so much more."""

_NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution, as a multiple of its median absolute deviation."""

_FAR_PX = 1e4

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Where a screenshot's top left corner should lie."""

    x_px: float
    y_px: float
    sigma_x_px: float
    sigma_y_px: float
    """Standard errors."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Estimate:
    """The errors of some nominal positions, in px, shape (screenshots, 2)."""

    error: NDArray[np.float64]
    sigma: NDArray[np.float64]


def predict(anchored: Mapping[Cell, Point], nominal: Mapping[Cell, Point]) -> dict[Cell, Predicted]:
    """Return where every screenshot with a nominal position should lie that is not anchored.

    Steps are believed where they would have placed the anchored ones clearly better than the nominal positions
    themselves: errors add up where a camera is moved by keys, and are independent where a game is sent to coordinates.
    Where neither is clear, nominal positions are kept, with the larger uncertainty. No position is moved much farther
    than the largest error seen: a guess may not be worse than what was given.

    Args:
        anchored: Known top left corners, at least one.
        nominal: Believed top left corners of all screenshots.
    """
    errors = {cell: np.array(anchored[cell]) - np.array(nominal[cell]) for cell in sorted(anchored) if cell in nominal}
    loose = sorted(nominal.keys() - anchored.keys())
    if not errors or not loose:
        return {}
    every = np.stack(list(errors.values()))
    common = np.median(every, axis=0)
    own = np.abs(every - common)
    stepwise = _krige(loose, errors, common)
    gain = _gain_of_steps(errors, own)
    chosen = stepwise
    if gain <= _CLEARLY:
        spread = np.broadcast_to(_varies(every - common), stepwise.sigma.shape)
        sigma = spread if gain < -_CLEARLY else np.maximum(stepwise.sigma, spread)
        chosen = _Estimate(error=np.broadcast_to(common, stepwise.error.shape), sigma=sigma)
    chosen = _bounded(chosen, common, _MOST_CORRECTED * own.max(axis=0))
    return {
        cell: Predicted(
            x_px=float(nominal[cell][0] + error[0]),
            y_px=float(nominal[cell][1] + error[1]),
            sigma_x_px=float(sigma[0]),
            sigma_y_px=float(sigma[1]),
        )
        for cell, error, sigma in zip(loose, chosen.error, chosen.sigma, strict=True)
    }


def _bounded(estimate: _Estimate, common: NDArray[np.float64], most_px: NDArray[np.float64]) -> _Estimate:
    """Return errors at most so far from the common one; what is taken off is added to the uncertainty."""
    error = np.clip(estimate.error, common - most_px, common + most_px)
    return _Estimate(error=error, sigma=np.hypot(estimate.sigma, estimate.error - error))


def _varies(off: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation on each axis of some errors whose middle is nothing."""
    least_px = _LEAST_SPREAD_PX * np.sqrt(_FEW / max(len(off), _FEW))
    spread: NDArray[np.float64] = np.maximum(_NORMAL_MAD * np.median(np.abs(off), axis=0), least_px)
    return spread


def _gain_of_steps(errors: Mapping[Cell, NDArray[np.float64]], own: NDArray[np.float64]) -> float:
    """Return how much better steps would have placed the anchored screenshots than nominal positions.

    In standard errors of the mean; negative where nominal positions are better, 0 where too few are anchored.
    """
    bias = {step: np.median(grown, axis=0) for step in _STEPS if len(grown := _grown(errors, step)) >= _FEW}
    gained = np.array(
        [
            (alone - abs(error - np.mean(near, axis=0))).mean()
            for alone, (cell, error) in zip(own, errors.items(), strict=True)
            if (near := list(_by_neighbours(cell, errors, bias)))
        ]
    )
    if gained.size < _FEW:
        return 0.0
    return float(gained.mean() / max(gained.std(ddof=1) / np.sqrt(gained.size), 1e-9))


def _by_neighbours(
    cell: Cell, errors: Mapping[Cell, NDArray[np.float64]], bias: Mapping[tuple[int, int], NDArray[np.float64]]
) -> Iterator[NDArray[np.float64]]:
    """Yield what a screenshot's error would be by each of its anchored neighbours."""
    for step in _STEPS:
        for sign in (-1, 1):
            beside = _at(cell, step, sign)
            if beside in errors:
                yield errors[beside] - sign * bias.get(step, np.zeros(2))


def _grown(errors: Mapping[Cell, NDArray[np.float64]], step: tuple[int, int]) -> list[NDArray[np.float64]]:
    """By how much the error grew at each step between two anchored screenshots."""
    return [errors[far] - errors[cell] for cell in errors if (far := _at(cell, step)) in errors]


def _at(cell: Cell, step: tuple[int, int], sign: int = 1) -> Cell:
    return Cell(row=cell.row + sign * step[0], col=cell.col + sign * step[1])


def _spread(errors: Mapping[Cell, NDArray[np.float64]], grown: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """How much the error of one step varies, in px, shape (2,)."""
    if len(grown) >= _FEW:
        off = np.stack(grown)
        return _varies(off - np.median(off, axis=0))
    range_px: NDArray[np.float64] = np.ptp(np.stack(list(errors.values())), axis=0)
    return np.maximum(range_px / 2, _LEAST_SPREAD_PX)


def _krige(loose: list[Cell], errors: Mapping[Cell, NDArray[np.float64]], common: NDArray[np.float64]) -> _Estimate:
    """Solve for the errors of all loose screenshots and the mean errors of steps at once, each axis by itself."""
    numbers = {cell: number for number, cell in enumerate(loose)}
    count = len(loose)
    unknowns = count + len(_STEPS)
    solved, sigma = np.zeros((count, 2)), np.zeros((count, 2))
    edges = [list(_edges(step, errors, numbers)) for step in _STEPS]
    spreads = [_spread(errors, _grown(errors, step)) for step in _STEPS]
    for axis in (0, 1):
        # Held loosely where it is: an island without a way to anchored ones stays at the common shift.
        held = np.full(unknowns, _FAR_PX**-2)
        right = np.zeros(unknowns)
        right[:count] = common[axis] * held[:count]
        rows, columns, values = [np.arange(unknowns)], [np.arange(unknowns)], [held]
        for direction, (steps, spread) in enumerate(zip(edges, spreads, strict=True)):
            weight = float(spread[axis]) ** -2
            mean = count + direction
            held[mean] += weight  # A step without error, before any was seen.
            for begin, end, grown, share in steps:
                # The error at the end is the one at the beginning, and the mean one of a step.
                terms = [(n, sign) for n, sign in ((end, 1.0), (begin, -1.0), (mean, -1.0)) if n >= 0]
                for n, sign in terms:
                    right[n] += share * weight * sign * grown[axis]
                at, signs = np.array([n for n, _ in terms]), np.array([sign for _, sign in terms])
                rows.append(at.repeat(at.size))
                columns.append(np.tile(at, at.size))
                values.append(share * weight * np.outer(signs, signs).ravel())
        matrix = coo_matrix(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(unknowns, unknowns)
        ).tocsc()
        factors = factored(matrix)
        solved[:, axis] = factors.solve(right)[:count]
        sigma[:, axis] = _SHARED * np.sqrt(inverse_diagonal(factors)[:count])
    return _Estimate(error=solved, sigma=sigma)


def _edges(
    step: tuple[int, int], errors: Mapping[Cell, NDArray[np.float64]], numbers: Mapping[Cell, int]
) -> Iterator[tuple[int, int, NDArray[np.float64], float]]:
    """Yield the loose ends of each step, -1 for an anchored one, what anchored ends say its error is, and its weight.

    Steps between anchored ends in one row, or one column for steps down, count as one: their errors are alike.
    """
    lines = Counter(_line(cell, step) for cell in errors if _at(cell, step) in errors)
    nothing = np.zeros(2)
    for cell in (*errors, *numbers):
        far = _at(cell, step)
        if far in errors or far in numbers:
            share = 1 / lines[_line(cell, step)] if cell in errors and far in errors else 1.0
            grown = errors.get(cell, nothing) - errors.get(far, nothing)
            yield numbers.get(cell, -1), numbers.get(far, -1), grown, share


def _line(cell: Cell, step: tuple[int, int]) -> int:
    return cell.row if step[1] else cell.col
