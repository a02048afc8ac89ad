"""Offsets with fractions: positions are rounded once, after the solve, and say how sure they are."""

from collections.abc import Mapping

import numpy as np
import pytest

from imageflow_domain.geometry import Offset, Position
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairOffset, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_mosaic.loops import open_loops
from imageflow_mosaic.placement import Solution, place
from tests.mosaic.worlds import neighbours

Corners = Mapping[Cell, tuple[float, float]]


def _grid(side: int, step_px: float) -> dict[Cell, tuple[float, float]]:
    return {Cell(row=r, col=c): (step_px * c, 0.75 * step_px * r) for r in range(side) for c in range(side)}


def _measured(truth: Corners, *, sigma_px: float, seed: int = 0) -> list[PairOffset]:
    dice = np.random.default_rng(seed)
    found = []
    for first, second in neighbours(truth):
        dx, dy = (truth[second][axis] - truth[first][axis] + dice.normal(0, sigma_px) for axis in (0, 1))
        found.append(
            PairOffset(
                reference=first,
                moving=second,
                offset=Offset(dx_px=round(dx), dy_px=round(dy)),
                votes=100,
                agreement=1.0,
                compared_px=25_600,
                decisive=True,
                rest_x_px=dx - round(dx),
                rest_y_px=dy - round(dy),
                sigma_px=sigma_px,
                noise=6.0,
            )
        )
    return found


def _placed(truth: Corners, pairs: list[PairOffset]) -> Solution:
    areas = [Area(cell=cell, position=Position(x_px=x + 7, y_px=y - 4)) for cell, (x, y) in truth.items()]
    return place(areas, pairs, reach_px=160)


def _errors(solution: Solution, truth: Corners) -> np.ndarray:
    off = np.array([(p.x_px - truth[p.cell][0], p.y_px - truth[p.cell][1]) for p in solution.placements])
    off -= np.median(off, axis=0).round()
    return off


def test_fractions_that_are_next_to_nothing_are_errors_of_whole_offsets() -> None:
    truth = _grid(8, 812.0)
    solution = _placed(truth, _measured(truth, sigma_px=0.05))
    assert solution.fidelity.whole_pixels
    assert solution.fidelity.noise == 6.0
    assert (np.abs(_errors(solution, truth)) == 0).all()
    assert solution.dropped == ()


@pytest.mark.parametrize("scale", [0.75, 1.25, 1.5])
def test_positions_of_scaled_screenshots_are_rounded_once(scale: float) -> None:
    """Offsets rounded one by one would add up to pixels over a grid."""
    truth = {cell: (x + 0.25 * cell.row, y + 0.5 * cell.col) for cell, (x, y) in _grid(16, scale * 813).items()}
    solution = _placed(truth, _measured(truth, sigma_px=0.05, seed=2))
    assert not solution.fidelity.whole_pixels
    assert np.abs(_errors(solution, truth)).max() <= 0.5 + 0.5 + 0.2
    assert {p.status for p in solution.placements} == {PlacementStatus.ANCHORED}


@pytest.mark.parametrize("seed", range(3))
def test_the_stated_uncertainty_is_that_of_the_positions(seed: int) -> None:
    truth = {cell: (x + 0.37 * cell.row, y + 0.41 * cell.col) for cell, (x, y) in _grid(20, 812.3).items()}
    solution = _placed(truth, _measured(truth, sigma_px=0.3, seed=seed))
    middle = min(solution.placements, key=lambda p: p.sigma_px)
    about = np.array(truth[middle.cell]) - (middle.x_px, middle.y_px)
    off = np.array([(p.x_px, p.y_px) - np.array(truth[p.cell]) + about for p in solution.placements])
    ratio = off / np.array([[p.sigma_px] for p in solution.placements])
    assert 0.5 < np.sqrt((ratio**2).mean()) < 1.5
    corner = next(p for p in solution.placements if p.cell == Cell(row=0, col=0))
    assert corner.sigma_px > middle.sigma_px


def test_an_offset_of_which_little_is_known_bends_nothing() -> None:
    truth = {cell: (x + 0.3 * cell.col, y) for cell, (x, y) in _grid(4, 812.0).items()}
    pairs = _measured(truth, sigma_px=0.03)
    loose = pairs[0]
    pairs[0] = PairOffset(**{**vars(loose), "rest_x_px": loose.rest_x_px + 0.45, "sigma_px": 0.4})
    assert np.abs(_errors(_placed(truth, pairs), truth)).max() <= 1.0


def test_a_wrong_fractional_offset_is_dropped_and_its_loops_are_open() -> None:
    truth = {cell: (x + 0.3 * cell.col, y + 0.2 * cell.row) for cell, (x, y) in _grid(4, 812.0).items()}
    pairs = _measured(truth, sigma_px=0.03)
    assert open_loops(pairs) == ()
    right = pairs[5]
    pairs[5] = PairOffset(**{**vars(right), "offset": right.offset + Offset(dx_px=3, dy_px=0)})
    assert open_loops(pairs) != ()
    solution = _placed(truth, pairs)
    assert [drop.pair for drop in solution.dropped] == [pairs[5]]
    assert np.abs(_errors(solution, truth)).max() <= 1.0
