"""A survey of a real window by the x11 driver: broken off, gone on with by a second game, across the world's edge."""

import sys
from pathlib import Path

import pytest

from imageflow_clients.database.maps import layers, sightings
from imageflow_clients.stores import Stores
from imageflow_domain.capture import Grabbed
from imageflow_domain.geometry import Position
from imageflow_domain.grid import Block, Cell, Grid
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.ports import Area, GameDriver
from imageflow_domain.survey import DriverSpec, Keep, Survey, SurveySpec
from imageflow_surveys.blocks import register_blocks
from imageflow_surveys.camera import Camera, driver_of
from imageflow_surveys.capture_block import capture_block
from imageflow_surveys.place import place_survey
from tests.game_capture import landscape
from tests.game_capture.conftest import need
from tests.surveys.cities import carried, planned
from tests.surveys.stand_ins import Killed, Moment

ONLY = Block(row=0, col=0)
LAKE = Cell(row=2, col=2)

pytestmark = pytest.mark.timeout(300)


def _spec() -> SurveySpec:
    command = [sys.executable, str(Path(landscape.__file__)), "{width}", "{height}"]
    parameters = {
        "command": command,
        "window": [320, 256],
        "scroll": {"by": "keys", "px_per_press": list(landscape.PRESS), "pause_ms": 10},
        "step": [192, 128],
        "start_wait_s": 0.5,
        "park": [5, 5],
        "settle": {"equal_grabs": 2, "interval_s": 0.03},
    }
    return SurveySpec(
        game="landscape",
        save="slanting",
        driver=DriverSpec(name="x11", parameters=parameters),
        grid=Grid(rows=3, cols=5),
        keep=Keep.KEEP,
    )


class _BrokenOff:
    """A driver whose process ends at a chosen moment."""

    def __init__(self, driver: GameDriver, moment: Moment) -> None:
        self._driver, self._moment = driver, moment
        self.capabilities, self.areas = driver.capabilities, driver.areas

    def grab(self, area: Area) -> Grabbed:
        self._moment.pass_by()
        return self._driver.grab(area)

    def __enter__(self) -> "_BrokenOff":
        self._driver.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._driver.__exit__(*exc_info)


def _camera(stores: Stores, survey: Survey, *, ends_at: int) -> Camera:
    moment = Moment(Killed(), at_call=ends_at)
    return Camera(lambda: _BrokenOff(driver_of(stores, survey.spec, survey=survey), moment))


def test_a_second_game_goes_on_where_the_first_was_broken_off_and_the_survey_is_whole(stores: Stores) -> None:
    need("Xvfb", "xdotool")
    survey = planned(stores, _spec())
    with _camera(stores, survey, ends_at=7) as camera, pytest.raises(Killed):
        capture_block(stores, survey, ONLY, camera)
    with _camera(stores, survey, ends_at=99) as camera:
        result = capture_block(stores, survey, ONLY, camera)
    assert (result.shots, result.kept, result.outside, result.holes) == (14, 5, 1, 0)
    with stores.database.begin() as connection:
        sessions = sightings.sessions(connection, survey.id)
    assert [session.offset for session in sessions.values()] == [Position(x_px=0.0, y_px=0.0)] * 2
    register_blocks(stores, survey, survey.blocks())
    placed = place_survey(stores, survey)
    unsure = {p.cell for p in placed.placements if p.status is not PlacementStatus.ANCHORED}
    assert unsure <= {LAKE}
    survey = carried(stores, survey)
    with stores.database.begin() as connection:
        progress, shots = layers.progress(connection, survey.id), layers.shots(connection, survey.id)
    assert progress.tasks_done == progress.tasks
    assert (shots.planned, shots.taken, shots.outside) == (14, 14, 1)
