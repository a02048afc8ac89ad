"""What each tile needs is known by the plan, and again, exactly, once the screenshots are placed."""

import pytest
from sqlalchemy import select

from imageflow_clients.database.maps import layers, tile_schema
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey, SurveySpec
from tests.surveys.cities import city, placed, planned, published

Stored = dict[tuple[int, int, int], tuple[int, ...]]


def _stored(stores: Stores, survey: Survey, *, by_plan: bool) -> Stored:
    table = tile_schema.tile_dependencies
    with stores.database.begin() as connection:
        rows = connection.execute(select(table).where(table.c.survey_id == survey.id, table.c.planned == by_plan)).all()
    return {(row.z, row.x, row.y): tuple(sorted(row.area_ids)) for row in rows}


def _masked(save: str) -> SurveySpec:
    """Half of each picture hidden: its neighbours' tiles need fewer screenshots."""
    half = Rect(x_px=0, y_px=0, width_px=160, height_px=256)
    return city(save, grid="6x5", drift_px=0).model_copy(update={"masks": (half,)})


@pytest.mark.parametrize("spec", [city("exact", grid="6x5", drift_px=0), _masked("masked")])
def test_a_camera_that_goes_where_it_is_told_needs_what_was_planned(stores: Stores, spec: SurveySpec) -> None:
    by_plan = _stored(stores, planned(stores, spec), by_plan=True)
    survey, _ = placed(stores, spec)
    assert _stored(stores, survey, by_plan=False) == by_plan
    assert _stored(stores, survey, by_plan=True) == {}
    assert {area for areas in by_plan.values() for area in areas} == set(range(30))
    with stores.database.begin() as connection:
        assert layers.progress(connection, survey.id).tiles_planned == len(by_plan)


def test_a_later_survey_is_planned_in_the_frame_of_the_latest_map(stores: Stores) -> None:
    """The world's own corner, not the new survey's bounds, says where its tiles lie."""
    published(stores, city("later", grid="6x6", drift_px=0, world=[1800, 1400]))
    smaller = city("later", grid="3x2", drift_px=0, world=[1800, 1400])
    by_plan = _stored(stores, planned(stores, smaller), by_plan=True)
    survey, _ = placed(stores, smaller)
    assert _stored(stores, survey, by_plan=False) == by_plan
