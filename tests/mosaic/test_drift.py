"""Dead reckoning: predictions against walks and scatter whose truth is known."""

import numpy as np
import pytest

from imageflow_domain.grid import Cell
from imageflow_mosaic.drift import Point, predict

STEP_PX = 800.0
SIDE = 12


def _grid() -> list[Cell]:
    return [Cell(row=row, col=col) for row in range(SIDE) for col in range(SIDE)]


def _truth() -> dict[Cell, Point]:
    return {cell: (STEP_PX * cell.col, STEP_PX * cell.row) for cell in _grid()}


def _walked(seed: int, bias_px: float = 2.0, spread_px: float = 1.0) -> dict[Cell, Point]:
    """What a driver believes whose camera moves a little less or more at every step."""
    dice = np.random.default_rng(seed)
    errors: dict[Cell, np.ndarray] = {}
    for cell in _grid():
        before = errors.get(Cell(row=cell.row, col=cell.col - 1), errors.get(Cell(row=cell.row - 1, col=cell.col)))
        step = dice.normal(bias_px, spread_px, 2)
        errors[cell] = np.zeros(2) if before is None else before + step
    return {cell: (x + errors[cell][0], y + errors[cell][1]) for cell, (x, y) in _truth().items()}


def _scattered(seed: int, spread_px: float = 5.0) -> dict[Cell, Point]:
    """Positions of a driver that gets targets, and misses each by a new error."""
    dice = np.random.default_rng(seed)
    return {cell: (x + dice.normal(0, spread_px), y + dice.normal(0, spread_px)) for cell, (x, y) in _truth().items()}


def _anchored(loose: set[Cell]) -> dict[Cell, Point]:
    return {cell: place for cell, place in _truth().items() if cell not in loose}


LAKE = {Cell(row=row, col=col) for row in range(3, 8) for col in range(3, 8)}
CORNER = {Cell(row=row, col=col) for row in range(8, SIDE) for col in range(8, SIDE)}


@pytest.mark.parametrize("loose", [LAKE, CORNER], ids=["lake", "corner"])
@pytest.mark.parametrize("seed", range(5))
def test_steps_that_err_alike_are_corrected_by_those_around(loose: set[Cell], seed: int) -> None:
    nominal, truth = _walked(seed), _truth()
    predicted = predict(_anchored(loose), nominal)
    assert predicted.keys() == loose
    off = np.array([(predicted[c].x_px - truth[c][0], predicted[c].y_px - truth[c][1]) for c in sorted(loose)])
    given = np.array([(nominal[c][0] - truth[c][0], nominal[c][1] - truth[c][1]) for c in sorted(loose)])
    assert np.abs(off).mean() < np.abs(given).mean() / 4
    sigmas = np.array([(predicted[c].sigma_x_px, predicted[c].sigma_y_px) for c in sorted(loose)])
    assert np.sqrt(((off / sigmas) ** 2).mean()) < 2


@pytest.mark.parametrize("seed", range(5))
def test_positions_that_err_each_by_itself_are_believed(seed: int) -> None:
    nominal = _scattered(seed)
    shifted = {cell: (x + 40, y - 25) for cell, (x, y) in nominal.items()}
    predicted = predict(_anchored(LAKE), shifted)
    for cell in LAKE:
        assert predicted[cell].x_px == pytest.approx(nominal[cell][0], abs=2)
        assert predicted[cell].y_px == pytest.approx(nominal[cell][1], abs=2)
    assert all(3 < sigma < 9 for cell in LAKE for sigma in (predicted[cell].sigma_x_px, predicted[cell].sigma_y_px))


def test_the_farther_from_anchored_ones_the_less_sure() -> None:
    predicted = predict(_anchored(CORNER), _walked(1))
    near, far = predicted[Cell(row=8, col=8)], predicted[Cell(row=SIDE - 1, col=SIDE - 1)]
    assert near.sigma_x_px < far.sigma_x_px


def test_an_island_that_nothing_leads_to_gets_the_common_shift() -> None:
    nominal = _walked(2, bias_px=1.0)
    alone = Cell(row=40, col=40)
    nominal[alone] = (40 * STEP_PX, 40 * STEP_PX)
    predicted = predict(_anchored(set()), nominal)
    assert predicted.keys() == {alone}
    assert abs(predicted[alone].x_px - nominal[alone][0]) < 100
    assert predicted[alone].sigma_x_px > 5


def test_without_anchored_ones_nothing_is_predicted() -> None:
    assert predict({}, _walked(3)) == {}
    assert predict(_truth(), _walked(3)) == {}


@pytest.mark.parametrize("seed", range(4))
def test_drift_that_stops_behind_the_anchored_ones_moves_no_guess_away(seed: int) -> None:
    """Errors grow by 12 px a column over six columns, and then stay: going on would more than double them."""
    dice = np.random.default_rng(seed)
    nominal = {
        cell: (x - 12 * min(cell.col, 5) - dice.normal(0, 1), y - dice.normal(0, 1))
        for cell, (x, y) in _truth().items()
    }
    loose = {cell for cell in _grid() if cell.col > 5}
    predicted = predict(_anchored(loose), nominal)
    common = np.median([_truth()[cell][0] - nominal[cell][0] for cell in _truth() if cell not in loose])
    for cell in loose:
        truth = _truth()[cell][0]
        assert abs(predicted[cell].x_px - truth) <= abs(nominal[cell][0] + common - truth) + 1
