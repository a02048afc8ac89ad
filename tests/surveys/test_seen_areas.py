"""Areas outside the world, holes, positions that were measured, and the sessions of games."""

from dataclasses import replace

import pytest

from game_capture.drivers.city import CityDriver
from imageflow_clients.database.maps import layers, screenshots, sightings
from imageflow_clients.stores import Stores
from imageflow_domain.capture import AreaState, Grabbed, Sighting, Uncertainty
from imageflow_domain.errors import GameDied, NotFound, NotReady
from imageflow_domain.geometry import Position
from imageflow_domain.grid import Block, Cell
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.ports import Area, Capabilities
from imageflow_domain.survey import Layer, Survey
from imageflow_surveys.blocks import register_blocks
from imageflow_surveys.camera import Camera
from imageflow_surveys.capture_block import capture_block
from imageflow_surveys.pictures import find_picture
from imageflow_surveys.place import place_survey
from imageflow_surveys.seen_areas import LEAST_REACH_PX, reach_between, seen_areas, uncertainty_of
from tests.surveys.cities import captured, carried, city, driver_of_city, planned, reopened

ONLY = Block(row=0, col=0)
OUTSIDE = Cell(row=2, col=2)
HOLE = Cell(row=0, col=1)


class MeasuringCity:
    """A city whose driver sees where its camera is, and whose world may end, show nothing or keep moving somewhere."""

    def __init__(self, city: CityDriver) -> None:
        self._city = city
        self.areas = city.areas
        self.visited: list[Cell] = []
        self.uncertainty: Uncertainty | None = Uncertainty(x_px=0.0, y_px=0.0)
        self.dies_at: int | None = None
        self.session_offset: Position | None = None
        self.states: dict[Cell, AreaState] = {}
        self.moving: dict[Cell, int] = {}
        """How often an area's image does not settle."""
        self.later: dict[Cell, AreaState] = {}
        """What areas are from their second visit on."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._city.capabilities, moves_step_by_step=True)

    def grab(self, area: Area) -> Grabbed:
        if len(self.visited) == self.dies_at:
            self.dies_at = None
            raise GameDied("gone")
        self.visited.append(area.cell)
        state = self.states.get(area.cell, AreaState.TAKEN)
        if self.visited.count(area.cell) > 1:
            state = self.later.get(area.cell, state)
        if state is not AreaState.TAKEN:
            return Grabbed(frame=None, position=None, state=state)
        left = self.moving.get(area.cell, 0)
        self.moving[area.cell] = max(0, left - 1)
        return replace(
            self._city.grab(area),
            position=self._city.truth(area),
            uncertainty=self.uncertainty,
            is_settled=left == 0,
            session_offset=self.session_offset,
        )

    def __enter__(self) -> "MeasuringCity":
        self._city.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._city.__exit__(*exc_info)


def _measuring(survey: Survey) -> MeasuringCity:
    return MeasuringCity(driver_of_city(survey.spec))


def _taken(stores: Stores, survey: Survey) -> frozenset[Cell]:
    with stores.database.begin() as connection:
        return frozenset(screenshots.stored(connection, survey.id))


def test_a_hole_is_visited_again_at_the_end_as_more_is_known_of_the_worlds_edges_then(stores: Stores) -> None:
    survey = planned(stores, city("hole"))
    driver = MeasuringCity(driver_of_city(survey.spec))
    driver.states, driver.later = {HOLE: AreaState.HOLE}, {HOLE: AreaState.OUTSIDE}
    with Camera(lambda: driver) as camera:
        result = capture_block(stores, survey, ONLY, camera)
    assert (result.shots, result.outside, result.holes) == (8, 1, 0)


def test_a_survey_with_areas_outside_the_world_and_holes_is_whole_and_completes(stores: Stores) -> None:
    survey = planned(stores, city("edge"))
    driver = _measuring(survey)
    driver.states = {OUTSIDE: AreaState.OUTSIDE, HOLE: AreaState.HOLE}
    with Camera(lambda: driver) as camera:
        result = capture_block(stores, survey, ONLY, camera)
    assert (result.shots, result.outside, result.holes) == (7, 1, 1)
    survey = carried(stores, survey)
    with stores.database.begin() as connection:
        progress = layers.progress(connection, survey.id)
        shots = layers.shots(connection, survey.id)
    assert progress.tasks_done == progress.tasks
    assert survey.is_published
    assert (shots.planned, shots.taken, shots.outside, shots.holes, shots.visited) == (7, 7, 1, 1, 9)
    assert shots.unsettled == 0


def test_only_areas_with_a_screenshot_are_placed(stores: Stores) -> None:
    survey = planned(stores, city("placed_edge"))
    driver = _measuring(survey)
    driver.states = {OUTSIDE: AreaState.OUTSIDE}
    with Camera(lambda: driver) as camera:
        capture_block(stores, survey, ONLY, camera)
    register_blocks(stores, survey, survey.blocks())
    placed = place_survey(stores, survey)
    assert {p.cell for p in placed.placements} == set(survey.grid.cells()) - {OUTSIDE}
    assert placed.count(PlacementStatus.ANCHORED) == 8


def test_a_survey_whose_areas_all_lie_outside_says_so(stores: Stores) -> None:
    survey = planned(stores, city("all_outside"))
    driver = _measuring(survey)
    driver.states = dict.fromkeys(survey.grid.cells(), AreaState.OUTSIDE)
    with Camera(lambda: driver) as camera:
        capture_block(stores, survey, ONLY, camera)
    register_blocks(stores, survey, survey.blocks())
    with pytest.raises(NotReady, match="no screenshot at all"):
        place_survey(stores, survey)


def test_whoever_asks_for_the_screenshot_of_an_area_outside_hears_why_there_is_none(stores: Stores) -> None:
    survey = planned(stores, city("asked_outside"))
    driver = _measuring(survey)
    driver.states = {OUTSIDE: AreaState.OUTSIDE, HOLE: AreaState.HOLE}
    with Camera(lambda: driver) as camera:
        capture_block(stores, survey, ONLY, camera)
    with pytest.raises(NotFound, match="outside the world"):
        find_picture(stores, survey.id, OUTSIDE)
    with pytest.raises(NotFound, match="nothing that can be used"):
        find_picture(stores, survey.id, HOLE)


def test_an_attempt_that_goes_on_does_not_visit_areas_outside_again(stores: Stores) -> None:
    survey = planned(stores, city("not_again"))
    for expected in (9, 0):
        driver = _measuring(survey)
        driver.states = {OUTSIDE: AreaState.OUTSIDE}
        with Camera(lambda: driver) as camera:  # noqa: B023  it is called inside this turn only
            capture_block(stores, survey, ONLY, camera)
        assert len(driver.visited) == expected


def test_areas_taken_anew_may_lie_in_the_world_after_all(stores: Stores) -> None:
    survey = planned(stores, city("grown"))
    driver = _measuring(survey)
    driver.states = {OUTSIDE: AreaState.OUTSIDE}
    with Camera(lambda: driver) as camera:
        capture_block(stores, survey, ONLY, camera)
    survey = reopened(stores, survey, Layer.SCREENSHOTS)
    with Camera(lambda: _measuring(survey)) as camera:
        assert capture_block(stores, survey, ONLY, camera).outside == 0
    assert OUTSIDE in _taken(stores, survey)


def test_an_image_that_does_not_settle_is_taken_and_looked_at_once_more_at_the_end(stores: Stores) -> None:
    survey = planned(stores, city("restless"))
    once, always = Cell(row=0, col=1), Cell(row=1, col=1)
    driver = _measuring(survey)
    driver.moving = {once: 1, always: 99}
    with Camera(lambda: driver) as camera:
        result = capture_block(stores, survey, ONLY, camera)
    assert sorted(driver.visited[9:]) == [once, always]
    assert (result.shots, result.unsettled) == (9, 1)
    with stores.database.begin() as connection:
        seen = sightings.of_survey(connection, survey.id)
    assert [cell for cell, one in seen.items() if not one.is_settled] == [always]


def test_a_camera_that_goes_step_by_step_goes_along_a_snake(stores: Stores) -> None:
    survey = planned(stores, city("snake"))
    driver = _measuring(survey)
    with Camera(lambda: driver) as camera:
        capture_block(stores, survey, ONLY, camera)
    assert [(c.row, c.col) for c in driver.visited] == [
        *((0, col) for col in (0, 1, 2)),
        *((1, col) for col in (2, 1, 0)),
        *((2, col) for col in (0, 1, 2)),
    ]


def test_each_start_of_a_game_is_a_session_whose_place_is_not_known_at_first(stores: Stores) -> None:
    survey = planned(stores, city("sessions"))
    driver = _measuring(survey)
    driver.dies_at = 4
    with Camera(lambda: driver) as camera:
        capture_block(stores, survey, ONLY, camera, run_id="a-run")
    with stores.database.begin() as connection:
        sessions = sightings.sessions(connection, survey.id)
        seen = {one.cell: one for one in seen_areas(connection, survey)}
    assert {number: one.offset for number, one in sessions.items()} == {1: Position(x_px=0.0, y_px=0.0), 2: None}
    first, second = seen[Cell(row=0, col=0)], seen[Cell(row=2, col=2)]
    assert (first.session, second.session) == (1, 2)
    assert reach_between(survey, first, second) == survey.reach_px
    assert reach_between(survey, first, seen[Cell(row=0, col=1)]) == LEAST_REACH_PX
    assert uncertainty_of(survey, second).x_px == survey.reach_px
    with stores.database.begin() as connection:
        sightings.tie_session(connection, survey.id, 2, Position(x_px=5.0, y_px=-3.0))
        tied = {one.cell: one for one in seen_areas(connection, survey)}[Cell(row=2, col=2)]
    assert tied.area.position is not None
    assert second.area.position is not None
    assert tied.area.position.x_px - second.area.position.x_px == 5.0
    assert reach_between(survey, first, tied) == LEAST_REACH_PX


def test_a_driver_that_learns_where_its_session_lies_has_it_stored(stores: Stores) -> None:
    survey = captured(stores, city("learns"))
    survey = reopened(stores, survey, Layer.SCREENSHOTS)
    driver = _measuring(survey)
    driver.session_offset = Position(x_px=7.0, y_px=0.0)
    with Camera(lambda: driver) as camera:
        capture_block(stores, survey, ONLY, camera)
    with stores.database.begin() as connection:
        assert sightings.sessions(connection, survey.id)[2].offset == driver.session_offset


def test_an_unsure_position_is_looked_for_as_far_as_it_may_be_off(stores: Stores) -> None:
    survey = captured(stores, city("unsure"))
    with stores.database.begin() as connection:
        before = {one.cell: one for one in seen_areas(connection, survey)}
        assert reach_between(survey, *list(before.values())[:2]) == survey.reach_px
        for cell, off_px in ((Cell(row=0, col=0), 64.0), (Cell(row=0, col=1), 40.0)):
            sighting = Sighting(
                cell=cell,
                state=AreaState.TAKEN,
                position=Position(x_px=0.0, y_px=0.0),
                uncertainty=Uncertainty(x_px=off_px, y_px=0.0),
                session=1,
            )
            sightings.record(connection, survey.id, sighting)
        seen = {one.cell: one for one in seen_areas(connection, survey)}
    assert reach_between(survey, seen[Cell(row=0, col=0)], seen[Cell(row=0, col=1)]) == 104
    assert reach_between(survey, seen[Cell(row=0, col=0)], seen[Cell(row=1, col=0)]) == survey.reach_px


def test_a_second_visit_that_finds_nothing_leaves_the_screenshot_of_the_first(stores: Stores) -> None:
    survey = planned(stores, city("second_visit"))
    driver = _measuring(survey)
    lost = Cell(row=1, col=1)
    driver.moving[lost] = 1
    driver.later[lost] = AreaState.OUTSIDE
    with Camera(lambda: driver) as camera:
        result = capture_block(stores, survey, ONLY, camera)
    assert (driver.visited.count(lost), result.outside, result.unsettled) == (2, 0, 1)
    assert lost in _taken(stores, survey)
    with stores.database.begin() as connection:
        assert sightings.of_survey(connection, survey.id)[lost].state is AreaState.TAKEN
