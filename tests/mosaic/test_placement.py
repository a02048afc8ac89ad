"""The solve: made-up grids whose truth is known, with wrong offsets, gaps and contradictions."""

import time
from dataclasses import replace
from math import hypot

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_domain.geometry import Offset, Position
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PairOffset, Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_mosaic.placement import Solution, place
from tests.mosaic.worlds import Corner, neighbours, pair

STEP_X, STEP_Y = 1000, 800
ROUNDING_PX = 12**-0.5
"""Standard deviation of what rounding takes off."""


def grid(rows: int, cols: int, seed: int = 0) -> dict[Cell, Corner]:
    """True corners, up to 30 px off the grid."""
    rng = np.random.default_rng(seed)
    return {
        Cell(row=row, col=col): (
            col * STEP_X + int(rng.integers(-30, 31)),
            row * STEP_Y + int(rng.integers(-30, 31)),
        )
        for row in range(rows)
        for col in range(cols)
    }


def areas(truth: dict[Cell, Corner]) -> list[Area]:
    return [Area(cell=cell, position=Position(x_px=cell.col * STEP_X, y_px=cell.row * STEP_Y)) for cell in truth]


def true_pair(truth: dict[Cell, Corner], first: Cell, second: Cell, error: Corner = (0, 0)) -> PairOffset:
    dx, dy = truth[second][0] - truth[first][0] + error[0], truth[second][1] - truth[first][1] + error[1]
    return pair(first, second, Offset(dx_px=dx, dy_px=dy))


def all_pairs(truth: dict[Cell, Corner]) -> list[PairOffset]:
    return [true_pair(truth, first, second) for first, second in neighbours(truth)]


def solved(truth: dict[Cell, Corner], pairs: list[PairOffset]) -> Solution:
    return place(areas(truth), pairs, reach_px=160)


def shifts(truth: dict[Cell, Corner], placements: list[Placement]) -> set[Corner]:
    """By how much placements differ from the truth; one shift for shots that are right to one another."""
    return {(p.x_px - truth[p.cell][0], p.y_px - truth[p.cell][1]) for p in placements}


def anchored(solution: Solution) -> list[Placement]:
    return [p for p in solution.placements if p.status is PlacementStatus.ANCHORED]


def group(solution: Solution, number: int) -> list[Placement]:
    return [p for p in solution.placements if p.group == number]


def spoilt(pairs: list[PairOffset], share: float, seed: int = 0) -> tuple[list[PairOffset], set[PairOffset]]:
    """Some offsets made grossly wrong; and which."""
    rng = np.random.default_rng(seed)
    wrong = set()
    for number, good in enumerate(pairs):
        if rng.random() < share:
            error = Offset(dx_px=int(rng.integers(-160, 161)), dy_px=int(rng.integers(-160, 160)) | 1)
            pairs[number] = pair(good.reference, good.moving, good.offset + error)
            wrong.add(pairs[number])
    return pairs, wrong


def test_right_offsets_give_right_places() -> None:
    truth = grid(5, 6)
    solution = solved(truth, all_pairs(truth))
    assert len(anchored(solution)) == 30
    assert len(shifts(truth, anchored(solution))) == 1
    assert solution.dropped == ()
    assert min(p.confidence for p in solution.placements) > 0.999


def test_the_common_shift_keeps_most_near_their_nominal_positions() -> None:
    truth = {cell: (x + 5000, y - 700) for cell, (x, y) in grid(6, 6).items()}
    (shift,) = shifts(truth, anchored(solved(truth, all_pairs(truth))))
    assert abs(shift[0] + 5000) <= 30
    assert abs(shift[1] - 700) <= 30


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), rows=st.integers(4, 12), cols=st.integers(4, 12))
def test_gross_outliers_are_dropped_and_harm_nobody(seed: int, rows: int, cols: int) -> None:
    truth = grid(rows, cols, seed)
    pairs, wrong = spoilt(all_pairs(truth), 0.05, seed)
    solution = solved(truth, pairs)
    assert len(shifts(truth, anchored(solution))) == 1
    assert wrong <= {drop.pair for drop in solution.dropped}
    assert len(anchored(solution)) >= rows * cols - 2


def test_a_survey_of_ten_thousand_shots_is_solved_in_seconds() -> None:
    truth = grid(100, 100)
    pairs, wrong = spoilt(all_pairs(truth), 0.05)
    began = time.process_time()
    solution = solved(truth, pairs)
    assert time.process_time() - began < 5
    assert len(shifts(truth, anchored(solution))) == 1
    assert len(anchored(solution)) >= 9_998
    assert wrong <= {drop.pair for drop in solution.dropped}


def test_neither_the_order_of_areas_nor_of_offsets_matters() -> None:
    truth = grid(6, 6)
    pairs, _ = spoilt(all_pairs(truth), 0.1)
    again = place(areas(truth)[::-1], pairs[1::2] + pairs[::2], reach_px=160)
    assert again.placements == solved(truth, pairs).placements


def test_groups_keep_their_relative_places_and_are_numbered_by_size() -> None:
    truth = grid(3, 9)
    within = [p for p in all_pairs(truth) if (p.reference.col < 4) == (p.moving.col < 4)]
    within = [p for p in within if (p.reference.col < 7) == (p.moving.col < 7)]
    solution = solved(truth, within)
    assert [len(group(solution, number)) for number in range(4)] == [12, 9, 6, 0]
    assert all(len(shifts(truth, group(solution, number))) == 1 for number in range(3))
    assert {p.status for p in group(solution, 0)} == {PlacementStatus.ANCHORED}
    assert {p.status for p in (*group(solution, 1), *group(solution, 2))} == {PlacementStatus.AMBIGUOUS}


def test_holes_in_the_grid_are_no_matter() -> None:
    truth = {cell: corner for cell, corner in grid(7, 7).items() if (cell.row * 5 + cell.col) % 4}
    solution = solved(truth, all_pairs(truth))
    assert len(solution.placements) == len(truth)
    assert len(shifts(truth, anchored(solution))) == 1


def test_a_shot_that_two_offsets_pull_apart_is_not_anchored() -> None:
    truth = grid(2, 3)
    last = Cell(row=0, col=2)
    pairs = [p for p in all_pairs(truth) if last not in (p.reference, p.moving)]
    pairs.append(true_pair(truth, Cell(row=0, col=1), last))
    pairs.append(true_pair(truth, last, Cell(row=1, col=1), error=(16, 0)))
    solution = solved(truth, pairs)
    status = {p.cell: p.status for p in solution.placements}
    assert status[last] is PlacementStatus.AMBIGUOUS
    assert len(anchored(solution)) == 5
    assert len(solution.dropped) == 2


def test_a_shot_without_offsets_lies_where_its_neighbours_errors_say() -> None:
    # drifts to the right from row to row
    truth = {cell: (cell.col * STEP_X + 40 * cell.row, cell.row * STEP_Y) for cell in grid(8, 8)}
    alone = Cell(row=5, col=5)
    solution = solved(truth, [p for p in all_pairs(truth) if alone not in (p.reference, p.moving)])
    (shift,) = shifts(truth, anchored(solution))
    placed = next(p for p in solution.placements if p.cell == alone)
    assert placed.status is PlacementStatus.AMBIGUOUS
    assert placed.group == 1
    assert abs(placed.x_px - shift[0] - truth[alone][0]) <= 1
    assert placed.y_px - shift[1] == truth[alone][1]


def test_shots_without_any_offset_keep_their_nominal_places() -> None:
    truth = grid(3, 3)
    solution = solved(truth, [])
    assert [(p.x_px, p.y_px) for p in solution.placements] == [(c.col * STEP_X, c.row * STEP_Y) for c in sorted(truth)]
    assert {p.status for p in solution.placements} == {PlacementStatus.AMBIGUOUS}
    assert max(p.confidence for p in solution.placements) < 0.1


def test_a_survey_of_one_shot_is_anchored() -> None:
    (only,) = solved({Cell(row=0, col=0): (7, 7)}, []).placements
    assert only.status is PlacementStatus.ANCHORED
    assert (only.x_px, only.y_px, only.group) == (0, 0, 0)


def test_no_shots_give_no_places() -> None:
    assert place([], [], reach_px=160) == Solution(placements=(), dropped=())


def test_offsets_of_shots_that_are_not_asked_for_are_left_out() -> None:
    truth = grid(2, 3)
    fewer = {cell: corner for cell, corner in truth.items() if cell.col < 2}
    solution = solved(fewer, all_pairs(truth))
    assert len(anchored(solution)) == 4
    assert solution.dropped == ()


@pytest.mark.parametrize("known", [True, False])
def test_a_shot_of_unknown_position_is_placed_by_its_offsets_or_not_at_all(known: bool) -> None:
    truth = grid(2, 2)
    blind = Cell(row=1, col=1)
    pairs = [p for p in all_pairs(truth) if known or blind not in (p.reference, p.moving)]
    believed = [Area(cell=a.cell, position=None) if a.cell == blind else a for a in areas(truth)]
    status = {p.cell: p.status for p in place(believed, pairs, reach_px=160).placements}
    assert status[blind] is (PlacementStatus.ANCHORED if known else PlacementStatus.UNPLACED)


@pytest.mark.parametrize("cells", [2, 3])
def test_uncertainty_is_stated_of_the_smallest_surveys(cells: int) -> None:
    truth = grid(1, cells)
    pairs = [replace(p, sigma_px=0.3, rest_x_px=0.3) for p in all_pairs(truth)]
    middle, *others = sorted(p.sigma_px for p in solved(truth, pairs).placements)
    assert middle == pytest.approx(ROUNDING_PX)
    assert others == pytest.approx([hypot(0.3, ROUNDING_PX)] * (cells - 1))
