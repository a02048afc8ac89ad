"""Shots without ties: joined where pixels leave one place only, and never surer than they are."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from imageflow_domain.geometry import Position
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_mosaic.ambiguity import settle_ambiguous
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.nominal import NominalErrors, joined, radius_px
from imageflow_mosaic.placement import place
from tests.mosaic.worlds import Corner, Surveyed, city, land, view, water

WIDTH, HEIGHT = 240, 200
STEP_X, STEP_Y = 170, 140
REACH_PX = 48


def survey(world: Pixels, errors: Mapping[Cell, Corner], rows: int = 3, cols: int = 4) -> Surveyed:
    """Cut a grid of pictures out of a world; `errors` says where a picture truly lies beside its command."""
    cells = list(Grid(rows=rows, cols=cols).cells())
    truth = {
        cell: (
            40 + cell.col * STEP_X + errors.get(cell, (0, 0))[0],
            40 + cell.row * STEP_Y + errors.get(cell, (0, 0))[1],
        )
        for cell in cells
    }
    return Surveyed(
        pictures={cell: view(world, *truth[cell], WIDTH, HEIGHT) for cell in cells},
        truth=truth,
        areas=[
            Area(cell=cell, position=Position(x_px=40 + cell.col * STEP_X, y_px=40 + cell.row * STEP_Y))
            for cell in cells
        ],
    )


def settled(surveyed: Surveyed, loads: Counter[Cell] | None = None) -> dict[Cell, Placement]:
    def load(cell: Cell) -> Pixels:
        if loads is not None:
            loads[cell] += 1
        return surveyed.pictures[cell]

    solution = place(surveyed.areas, surveyed.pairs(REACH_PX), reach_px=REACH_PX)
    places = settle_ambiguous(solution, surveyed.areas, load, masks=surveyed.masks, reach_px=REACH_PX)
    return {p.cell: p for p in places}


def coast() -> Pixels:
    """Land on the left, sea on the right, and a buoy in the sea."""
    world = water(560, 900)
    world[:, :430] = land(560, 430)
    return world


LAST = Cell(row=1, col=3)
ERRORS = {
    Cell(row=row, col=col): (int(x), int(y))
    for row in range(3)
    for col, (x, y) in enumerate(np.random.default_rng(row).integers(-5, 6, (4, 2)))
}


def test_where_pixels_refute_every_other_place_a_shot_is_anchored() -> None:
    world = coast()
    world[230:240, 585:591] = land(10, 6, seed=2)  # too small to register by, seen by two columns
    world[330:338, 590:600] = land(8, 10, seed=5)
    surveyed = survey(world, {LAST: (6, -9), Cell(row=1, col=2): (-3, 4)})
    found = settled(surveyed)
    errors = surveyed.errors(list(found.values()))
    wrong = [cell for cell, p in found.items() if p.status is PlacementStatus.ANCHORED and errors[cell] != (0, 0)]
    assert wrong == []
    assert errors[LAST] == (0, 0)


def test_plain_water_leaves_the_place_nearest_to_nominal_and_says_so() -> None:
    surveyed = survey(coast(), ERRORS)
    found = settled(surveyed)
    errors = surveyed.errors(list(found.values()))
    sea = [p for p in found.values() if p.status is PlacementStatus.AMBIGUOUS]
    assert sea
    for placed in sea:
        assert placed.confidence < 0.99
        assert max(abs(errors[placed.cell][0]), abs(errors[placed.cell][1])) <= 16
    assert all(errors[p.cell] == (0, 0) for p in found.values() if p.status is PlacementStatus.ANCHORED)


def test_nothing_but_water_keeps_nominal_places() -> None:
    surveyed = survey(water(560, 900), {})
    found = settled(surveyed)
    assert {p.status for p in found.values()} == {PlacementStatus.AMBIGUOUS}
    assert all((p.x_px, p.y_px) == surveyed.truth[cell] for cell, p in found.items())


def test_a_picture_of_another_place_stays_where_it_was_believed_and_is_unsure() -> None:
    surveyed = survey(land(560, 900), {})
    alien = Cell(row=1, col=1)
    pictures = dict(surveyed.pictures) | {alien: land(HEIGHT, WIDTH, seed=77)}
    found = settled(Surveyed(pictures=pictures, truth=surveyed.truth, areas=surveyed.areas))
    assert found[alien].status is PlacementStatus.AMBIGUOUS
    assert found[alien].confidence < 0.1
    assert len({p.status for cell, p in found.items() if cell != alien}) == 1


def test_an_anchored_survey_loads_no_picture() -> None:
    loads: Counter[Cell] = Counter()
    found = settled(survey(land(560, 900), ERRORS), loads)
    assert {p.status for p in found.values()} == {PlacementStatus.ANCHORED}
    assert not loads


def test_pictures_are_loaded_a_few_times_at_most() -> None:
    loads: Counter[Cell] = Counter()
    settled(survey(coast(), ERRORS), loads)
    assert max(loads.values()) <= 2


@pytest.mark.parametrize("paused", [True, False])
def test_cities_by_the_sea_are_settled_without_a_wrong_anchor(paused: bool) -> None:
    stated: list[float] = []
    right: list[bool] = []
    for seed in (3, 8, 20):
        surveyed = city(Grid(cols=8, rows=6), seed=seed, view=(320, 256), drift_px=8, water=0.5, paused=paused)
        pairs = surveyed.pairs(16)
        solution = place(surveyed.areas, pairs, reach_px=16)
        found = settle_ambiguous(
            solution, surveyed.areas, surveyed.pictures.__getitem__, masks=surveyed.masks, reach_px=16
        )
        errors = surveyed.errors(found)
        assert surveyed.wrong(pairs) == []
        assert [p.cell for p in found if p.status is PlacementStatus.ANCHORED and errors[p.cell] != (0, 0)] == []
        stated.extend(p.confidence for p in found)
        right.extend(errors[p.cell] == (0, 0) for p in found)
    assert np.mean(stated) == pytest.approx(np.mean(right), abs=0.05)
    sure = np.array(stated) >= 0.99
    assert np.mean(np.array(right)[sure]) >= 0.99


def test_errors_that_grow_from_shot_to_shot_are_predicted_by_the_neighbourhood() -> None:
    cells = list(Grid(rows=8, cols=8).cells())
    nominal = {cell: (1000.0 * cell.col, 800.0 * cell.row) for cell in cells}
    places = {cell: (1000 * cell.col + 7 * cell.col, 800 * cell.row) for cell in cells if cell != LAST}
    errors = NominalErrors(places, nominal, reach_px=REACH_PX)
    expected = errors.expected(LAST)
    assert expected is not None
    assert abs(expected[0] - 7 * LAST.col - nominal[LAST][0]) <= 7
    assert errors.prior(LAST).at(0, 0) > 0.3


def test_errors_of_each_shot_alone_are_predicted_by_the_common_shift() -> None:
    rng = np.random.default_rng(0)
    cells = list(Grid(rows=12, cols=12).cells())
    nominal = {cell: (1000.0 * cell.col, 800.0 * cell.row) for cell in cells}
    places = {
        cell: (1000 * cell.col + 300, 800 * cell.row + int(rng.integers(-20, 21))) for cell in cells if cell != LAST
    }
    errors = NominalErrors(places, nominal, reach_px=REACH_PX)
    expected = errors.expected(LAST)
    assert expected is not None
    assert expected[0] - nominal[LAST][0] == 300
    prior = errors.prior(LAST)
    assert prior.x[REACH_PX] > 0.9
    assert prior.y.max() < 0.1
    assert radius_px(prior.x, 0.05) < radius_px(prior.y, 0.05) <= REACH_PX
    assert prior.x.sum() == pytest.approx(1)
    assert prior.y.sum() == pytest.approx(1)


def test_a_shot_of_unknown_position_has_no_expected_place() -> None:
    errors = NominalErrors({}, {Cell(row=0, col=0): (0.0, 0.0)}, reach_px=REACH_PX)
    assert errors.expected(Cell(row=0, col=1)) is None
    assert errors.expected(Cell(row=0, col=0)) == (0.0, 0.0)


def test_the_error_of_a_group_is_surer_than_that_of_each_of_its_shots() -> None:
    rng = np.random.default_rng(0)
    cells = list(Grid(rows=12, cols=12).cells())
    nominal = {cell: (1000.0 * cell.col, 800.0 * cell.row) for cell in cells}
    places = {cell: (1000 * cell.col, 800 * cell.row + int(rng.integers(-20, 21))) for cell in cells[:100]}
    errors = NominalErrors(places, nominal, reach_px=REACH_PX)
    one, other = errors.prior(cells[110]), errors.prior(cells[111])
    both = joined([one, other], [(0, 30), (0, -6)])
    # shifted up by 10 to 14 px both errors are usual ones; unshifted the first is not
    assert both.y[REACH_PX] < 0.5 * one.y[REACH_PX]
    assert both.y[REACH_PX - 20 : REACH_PX].sum() > 0.9
    assert both.y.sum() == pytest.approx(1)
