"""A grid that is planned lies where its survey would be commanded, and nothing is begun."""

from typing import Any

import pytest

from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.survey import DriverSpec, Survey, SurveySpec
from imageflow_surveys.planned_grid import OnMap, PlannedGrid, plan_grid
from tests.surveys.cities import city, published

SPEC = city("plan_ahead", grid="5x3", block_side=2)


@pytest.fixture(scope="module")
def latest(stores: Stores) -> Survey:
    return published(stores, SPEC)


def _openttd(centre: tuple[int, int], **parameters: Any) -> SurveySpec:
    driver = DriverSpec(name="openttd", parameters={"seed": 1, "centre": list(centre), **parameters})
    return SPEC.model_copy(update={"driver": driver, "grid": Grid(rows=3, cols=3)})


def _on_map(planned: PlannedGrid) -> OnMap:
    assert planned.on_map is not None
    return planned.on_map


def test_the_same_grid_lies_where_the_latest_survey_was_commanded(stores: Stores, latest: Survey) -> None:
    planned = plan_grid(stores, SPEC)
    assert (planned.grid, planned.areas, planned.blocks) == (Grid(rows=3, cols=5), 15, 6)
    lies = _on_map(planned)
    shift = latest.placed().shift
    with stores.database.begin() as connection:
        areas = rows.areas(connection, latest.id)
        assert [one.id for one in rows.find(connection, game="city", save="plan_ahead")] == [latest.id]
    for area in areas:
        assert area.position is not None
        assert lies.columns[area.cell.col] == area.position.x_px + shift.dx_px
        assert lies.rows[area.cell.row] == area.position.y_px + shift.dy_px


def test_blocks_cover_all_areas_once(stores: Stores, latest: Survey) -> None:
    lies = _on_map(plan_grid(stores, SPEC))
    whole = Rect(
        x_px=lies.columns[0],
        y_px=lies.rows[0],
        width_px=lies.columns[-1] + latest.view.width_px - lies.columns[0],
        height_px=lies.rows[-1] + latest.view.height_px - lies.rows[0],
    )
    blocks = tuple(lies.blocks.values())
    assert len(blocks) == 6
    assert whole.without(blocks) == ()
    assert sum(one.width_px * one.height_px for one in blocks) == whole.width_px * whole.height_px
    assert {one.x_px for one in blocks} == {lies.columns[0], lies.columns[2], lies.columns[4]}


@pytest.mark.usefixtures("latest")
def test_another_centre_moves_the_grid_by_the_games_own_measure(stores: Stores) -> None:
    here, there = (_on_map(plan_grid(stores, _openttd(centre))) for centre in ((100, 100), (110, 104)))
    # a tile's middle lies 32 px further left for every x and 16 px further down for every x or y
    assert {b - a for a, b in zip(here.columns, there.columns, strict=True)} == {32 * (4 - 10)}
    assert {b - a for a, b in zip(here.rows, there.rows, strict=True)} == {16 * (4 + 10)}


@pytest.mark.usefixtures("latest")
def test_areas_beyond_the_games_map_are_left_out(stores: Stores) -> None:
    at_the_rim = plan_grid(stores, _openttd((3, 3)))
    assert 0 < at_the_rim.areas < 9
    with pytest.raises(InvalidInput, match="choose another centre"):
        plan_grid(stores, _openttd((4000, 4000)))


def test_a_save_without_a_map_has_nowhere_to_lay_it(stores: Stores) -> None:
    planned = plan_grid(stores, city("no_plan_yet", grid="12x11"))
    assert (planned.areas, planned.blocks, planned.on_map) == (132, 4, None)
