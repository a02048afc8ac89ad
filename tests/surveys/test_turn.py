"""A survey of a world that wraps around: what is stored of its turn, and what the turn is for."""

from dataclasses import replace

import pytest

from game_capture.drivers.city import CityDriver
from imageflow_clients.database.maps import layers, sightings
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.capture import EXACT, AreaState, Grabbed, Turn, Uncertainty
from imageflow_domain.geometry import Position
from imageflow_domain.grid import Block, Cell
from imageflow_domain.ports import Area, Capabilities
from imageflow_domain.survey import Survey
from imageflow_surveys.camera import Camera
from imageflow_surveys.capture_block import capture_block
from imageflow_surveys.neighbouring_frames import NeighbouringFrames
from imageflow_surveys.place import search_reach
from imageflow_surveys.seen_areas import seen_areas
from tests.surveys.cities import city, driver_of_city, planned

ONLY = Block(row=0, col=0)
TURN = Turn(x_px=700.0)


class CirclingCity:
    """A city whose driver sees in the third area of each row that the world begins again."""

    def __init__(self, driver: CityDriver) -> None:
        self._driver = driver
        self.areas = driver.areas

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._driver.capabilities, moves_step_by_step=True)

    def grab(self, area: Area) -> Grabbed:
        if area.cell.col >= 2:
            return Grabbed(frame=None, position=None, state=AreaState.OUTSIDE, turn=TURN)
        grabbed = self._driver.grab(area)
        return replace(grabbed, uncertainty=EXACT, session_offset=Position(x_px=0.0, y_px=0.0))

    def __enter__(self) -> "CirclingCity":
        self._driver.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._driver.__exit__(*exc_info)


@pytest.fixture
def circled(stores: Stores) -> Survey:
    survey = planned(stores, city("circled", grid="3x3"))
    with Camera(lambda: CirclingCity(driver_of_city(survey.spec))) as camera:
        capture_block(stores, survey, ONLY, camera)
    return survey


def test_the_turn_is_recorded_with_the_survey_and_the_rest_of_the_rows_lies_outside(
    stores: Stores, circled: Survey
) -> None:
    with stores.database.begin() as connection:
        assert sightings.turn(connection, circled.id) == TURN
        shots = layers.shots(connection, circled.id)
    assert NeighbouringFrames(stores, circled).turn() == TURN
    assert (shots.taken, shots.outside) == (6, 3)


def test_the_first_frames_of_a_row_and_of_a_column_are_given(stores: Stores, circled: Survey) -> None:
    frames = NeighbouringFrames(stores, circled)
    last = Cell(row=2, col=1)
    assert [one.cell for one in frames.first(last, is_row=True, within_px=0)] == [Cell(row=2, col=0)]
    row, column = (frames.first(last, is_row=is_row, within_px=9999) for is_row in (True, False))
    assert [one.cell for one in row] == [Cell(row=2, col=0)]
    assert [one.cell for one in column] == [Cell(row=0, col=1), Cell(row=1, col=1)]
    assert frames.first(Cell(row=0, col=0), is_row=True, within_px=9999) == ()
    again = frames.first(last, is_row=True, within_px=0)
    assert again[0].frame is row[0].frame, "it is decoded once"


def test_it_is_known_whether_another_area_shows_a_place_or_is_to_show_it(stores: Stores) -> None:
    survey = planned(stores, city("planned", grid="3x3"))
    frames, near = NeighbouringFrames(stores, survey), Uncertainty(x_px=16.0, y_px=16.0)
    with stores.database.begin() as connection:
        at = {area.cell: area.position for area in rows.areas(connection, survey.id)}
    own, beside, far = Cell(row=1, col=2), at[Cell(row=1, col=1)], Position(x_px=16.0, y_px=-16.0)
    assert beside is not None
    assert frames.has_other(own, beside, near)
    assert frames.has_other(own, beside + far, near)
    assert not frames.has_other(own, beside + far, replace(near, y_px=15.0))
    assert not frames.has_other(Cell(row=1, col=1), beside, near), "an area is no other to itself"
    with Camera(lambda: CirclingCity(driver_of_city(survey.spec))) as camera:
        capture_block(stores, survey, ONLY, camera)
    assert frames.has_other(own, beside, near), "it was taken"
    outside = at[own]
    assert outside is not None
    assert not frames.has_other(Cell(row=0, col=2), outside, near), "what lies outside shows nothing"


def test_a_screenshot_is_searched_for_within_less_than_half_a_turn(stores: Stores, circled: Survey) -> None:
    with stores.database.begin() as connection:
        seen = seen_areas(connection, circled)[0]
    lost = replace(seen, uncertainty=Uncertainty(x_px=5000.0, y_px=5000.0))
    assert search_reach(circled, lost, Turn()) == Uncertainty(x_px=5000.0, y_px=5000.0)
    assert search_reach(circled, lost, TURN) == Uncertainty(x_px=349.0, y_px=5000.0)
