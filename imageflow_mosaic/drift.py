"""Where a screenshot should lie by dead reckoning: nominal steps, corrected by how steps elsewhere were off.

Errors of a camera that is moved step by step add up along its way, so that neighbours share most of theirs. The
prediction is the best linear one for such errors: least squares over the grid, with an edge between neighbours for each
nominal step, and the anchored screenshots held. See N. Cressie, "Statistics for Spatial Data" (1993), kriging.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix

from imageflow_domain.grid import Cell
from imageflow_mosaic.covariance import factored, inverse_diagonal

_STEPS = ((0, 1), (1, 0))
"""Rows and columns to the neighbours that a nominal step leads to."""

_LEAST_SPREAD_PX = 0.5
"""Of the errors of steps: a few that were alike do not promise the next."""

_FEW = 5
"""Steps that teach nothing about a direction of their own."""

_NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution, as a multiple of its median absolute deviation."""

_FAR_PX = 1e4

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Where a screenshot's top left corner should lie."""

    x_px: float
    y_px: float
    sigma_px: float
    """Standard error, on the worse axis."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Steps:
    """Nominal steps of one direction: how far they are off in the middle, and how much that varies."""

    bias: NDArray[np.float64]
    spread: NDArray[np.float64]


def predict(anchored: Mapping[Cell, Point], nominal: Mapping[Cell, Point]) -> dict[Cell, Predicted]:
    """Return where every screenshot with a nominal position should lie that is not anchored.

    Steps or the nominal positions themselves are believed, whichever would have placed the anchored ones better: their
    errors add up where a camera is moved by keys, and are each their own where a game is told where to go.

    Args:
        anchored: Known top left corners, at least one.
        nominal: Believed top left corners of all screenshots.
    """
    known = {cell: place for cell, place in anchored.items() if cell in nominal}
    loose = sorted(nominal.keys() - anchored.keys())
    if not known or not loose:
        return {}
    errors = {cell: np.array(known[cell]) - np.array(nominal[cell]) for cell in sorted(known)}
    every = np.stack(list(errors.values()))
    common = np.median(every, axis=0)
    steps = {step: _learnt(errors, step) for step in _STEPS}
    own = np.abs(every - common)
    stepwise = [
        abs(errors[cell] - guess) for cell in errors if (guess := _from_neighbours(cell, errors, steps)) is not None
    ]
    if len(stepwise) < _FEW or np.mean(own) <= np.mean(stepwise):
        spread = np.maximum(_NORMAL_MAD * np.median(own, axis=0), _LEAST_SPREAD_PX)
        return {cell: _predicted(np.array(nominal[cell]) + common, spread) for cell in loose}
    return _krige(loose, errors, nominal, common, steps)


def _predicted(at: NDArray[np.float64], spread: NDArray[np.float64]) -> Predicted:
    return Predicted(x_px=float(at[0]), y_px=float(at[1]), sigma_px=float(spread.max()))


def _learnt(errors: Mapping[Cell, NDArray[np.float64]], step: tuple[int, int]) -> _Steps:
    grown = [errors[far] - errors[cell] for cell in errors if (far := _at(cell, step)) in errors]
    if len(grown) < _FEW:
        off = np.stack(list(errors.values()))
        return _Steps(bias=np.zeros(2), spread=np.maximum(np.ptp(off, axis=0) / 2, _LEAST_SPREAD_PX))
    off = np.stack(grown)
    bias = np.median(off, axis=0)
    return _Steps(bias=bias, spread=np.maximum(_NORMAL_MAD * np.median(np.abs(off - bias), axis=0), _LEAST_SPREAD_PX))


def _at(cell: Cell, step: tuple[int, int], sign: int = 1) -> Cell:
    return Cell(row=cell.row + sign * step[0], col=cell.col + sign * step[1])


def _from_neighbours(
    cell: Cell, errors: Mapping[Cell, NDArray[np.float64]], steps: Mapping[tuple[int, int], _Steps]
) -> NDArray[np.float64] | None:
    """What a screenshot's error would be by its anchored neighbours alone; `None` where it has none."""
    near = [
        errors[beside] - sign * learnt.bias
        for step, learnt in steps.items()
        for sign in (-1, 1)
        if (beside := _at(cell, step, sign)) in errors
    ]
    return np.mean(near, axis=0) if near else None


def _krige(
    loose: list[Cell],
    errors: Mapping[Cell, NDArray[np.float64]],
    nominal: Mapping[Cell, Point],
    common: NDArray[np.float64],
    steps: Mapping[tuple[int, int], _Steps],
) -> dict[Cell, Predicted]:
    """Solve for the errors of all loose screenshots at once, each axis by itself."""
    numbers = {cell: number for number, cell in enumerate(loose)}
    count = len(loose)
    solved, spread = np.zeros((count, 2)), np.zeros((count, 2))
    for axis in (0, 1):
        # Held loosely where it is: an island without a way to anchored ones stays at the common shift.
        diagonal = np.full(count, _FAR_PX**-2)
        right = common[axis] * diagonal
        links: list[tuple[int, int, float]] = []
        for cell in loose:
            for step, learnt in steps.items():
                weight = float(learnt.spread[axis]) ** -2
                for sign in (-1, 1):
                    beside = _at(cell, step, sign)
                    number = numbers[cell]
                    if beside in errors:
                        diagonal[number] += weight
                        right[number] += weight * (errors[beside][axis] - sign * learnt.bias[axis])
                    elif beside in numbers:
                        diagonal[number] += weight
                        right[number] -= weight * sign * learnt.bias[axis]
                        links.append((number, numbers[beside], -weight))
        rows, columns, values = zip(*links, strict=True) if links else ((), (), ())
        every = np.arange(count)
        matrix = coo_matrix(
            (
                np.concatenate([diagonal, np.array(values, np.float64)]),
                (np.concatenate([every, np.array(rows, np.intp)]), np.concatenate([every, np.array(columns, np.intp)])),
            ),
            shape=(count, count),
        ).tocsc()
        factors = factored(matrix)
        solved[:, axis] = factors.solve(right)
        spread[:, axis] = np.sqrt(inverse_diagonal(factors))
    return {cell: _predicted(np.array(nominal[cell]) + solved[n], spread[n]) for cell, n in numbers.items()}
