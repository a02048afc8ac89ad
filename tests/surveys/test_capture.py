"""Taking screenshots: a killed attempt goes on, a dead game is started again, a whole block is taken anew."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from game_capture.staging import Staging
from imageflow_clients.database.maps import layers, screenshots
from imageflow_clients.stores import Stores
from imageflow_domain.capture import Grabbed
from imageflow_domain.errors import GameDied, GameNeverSettled, Unavailable
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Block, Cell, Grid
from imageflow_domain.ports import Area, GameDriver
from imageflow_domain.survey import DriverSpec, Layer, Survey, SurveySpec
from imageflow_mosaic.codec import decode_picture
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.camera import RESTARTS_PER_AREA, Camera
from imageflow_surveys.capture_block import capture_block
from imageflow_surveys.image import read_region
from imageflow_surveys.next_step import next_step
from imageflow_surveys.place import place_survey
from imageflow_surveys.shots import shots_of
from tests.surveys.cities import captured, carried, city, driver_of_city, planned, published, registered, reopened
from tests.surveys.stand_ins import FailingCity, Killed, Moment, failing_camera

ONLY = Block(row=0, col=0)
PATCH = np.s_[40:60, 40:60]
PAINT = (255, 0, 255)


def _digests(stores: Stores, survey: Survey) -> Mapping[Cell, str]:
    with stores.database.begin() as connection:
        return {cell: shot.digest for cell, shot in screenshots.stored(connection, survey.id).items()}


def _done(stores: Stores, survey: Survey, layer: Layer) -> frozenset[Block]:
    with stores.database.begin() as connection:
        return layers.progress(connection, survey.id).done_blocks[layer]


def test_every_stored_screenshot_is_the_driver_s_picture_exactly(stores: Stores) -> None:
    survey = captured(stores, city("pictures"))
    shots = shots_of(stores, survey)
    with driver_of_city(survey.spec) as driver:
        for area in driver.areas(survey.grid):
            assert (decode_picture(stores.objects.get(shots.stored[area.cell].object_key, next_step=""))).tobytes() == (
                driver.grab(area).picture.tobytes()
            )


def test_a_game_is_staged_as_the_machine_has_it(stores: Stores, tmp_path: Path) -> None:
    spec = SurveySpec(
        game="sleeper",
        save="staged",
        driver=DriverSpec(
            name="x11",
            parameters={"command": ["sleep", "60"], "scroll": {"by": "drag"}, "step": [640, 512]},
        ),
        grid=Grid(rows=1, cols=1),
    )
    survey = planned(stores, spec)
    staging = Staging(scratch=tmp_path / "staged", display=":59998", display_timeout_s=0.1)
    with pytest.raises(Unavailable, match="':59998' did not answer"):
        capture_blocks(stores, survey, survey.blocks(), staging=staging)
    assert [path.name for path in staging.scratch.iterdir()] == ["display-59998.lock"]


def test_a_killed_attempt_goes_on_where_it_stopped(stores: Stores) -> None:
    undisturbed = captured(stores, city("whole"))
    survey = planned(stores, city("broken_off"))
    with failing_camera(survey.spec, Moment(Killed(), at_call=6)) as camera, pytest.raises(Killed):
        capture_block(stores, survey, ONLY, camera)
    assert len(_digests(stores, survey)) == 5
    assert _done(stores, survey, Layer.SCREENSHOTS) == frozenset()

    counting = Moment(Killed(), at_call=100)
    with failing_camera(survey.spec, counting) as camera:
        result = capture_block(stores, survey, ONLY, camera)
    assert (result.shots, result.kept, counting.calls) == (9, 5, 4)
    assert _digests(stores, survey) == _digests(stores, undisturbed)
    assert _done(stores, survey, Layer.SCREENSHOTS) == {ONLY}


def test_a_game_that_dies_in_the_middle_is_started_again_and_the_block_ends_equal(stores: Stores) -> None:
    undisturbed = captured(stores, city("alive"))
    survey = planned(stores, city("died_once"))
    with failing_camera(survey.spec, Moment(GameDied("gone"), at_call=5)) as camera:
        result = capture_block(stores, survey, ONLY, camera)
        assert camera.restarts == 1
    assert (result.shots, result.kept) == (9, 0)
    assert _digests(stores, survey) == _digests(stores, undisturbed)


class _AlwaysDead(FailingCity):
    def grab(self, area: Area) -> NDArray[np.uint8]:
        self._moment.pass_by()
        raise GameDied("gone again")


def test_a_game_that_dies_at_one_area_again_and_again_is_given_up(stores: Stores) -> None:
    survey = planned(stores, city("dies_always"))
    counting = Moment(Killed(), at_call=100)
    camera = Camera(lambda: _AlwaysDead(driver_of_city(survey.spec), counting))
    with camera, pytest.raises(GameDied, match="gone again"):
        capture_block(stores, survey, ONLY, camera)
    assert counting.calls == RESTARTS_PER_AREA
    assert _done(stores, survey, Layer.SCREENSHOTS) == frozenset()


class _SlowToStart(FailingCity):
    """A game whose start fails at chosen moments."""

    def __enter__(self) -> "_SlowToStart":
        self._moment.pass_by()
        super().__enter__()
        return self


def test_a_start_that_failed_is_tried_once_more(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    survey = planned(stores, city("slow_start"))
    moment = Moment(GameNeverSettled("prepare.1: no change within 30 s"), at_call=1)
    with Camera(lambda: _SlowToStart(driver_of_city(survey.spec), moment)) as camera:
        result = capture_block(stores, survey, ONLY, camera)
    assert (result.shots, camera.restarts) == (9, 1)
    assert "is started again. prepare.1: no change within 30 s" in caplog.text


def test_a_start_that_failed_twice_is_given_up(stores: Stores) -> None:
    survey = planned(stores, city("no_start"))
    starts = []

    def fails() -> GameDriver:
        starts.append(1)
        return _SlowToStart(driver_of_city(survey.spec), Moment(GameNeverSettled("no change"), at_call=1))

    with Camera(fails) as camera, pytest.raises(GameNeverSettled, match="no change"):
        capture_block(stores, survey, ONLY, camera)
    assert len(starts) == 2


def test_a_game_that_never_settles_is_not_started_again(stores: Stores) -> None:
    survey = planned(stores, city("unsettled"))
    moment = Moment(GameNeverSettled("it keeps moving"), at_call=3)
    with failing_camera(survey.spec, moment) as camera:
        with pytest.raises(GameNeverSettled):
            capture_block(stores, survey, ONLY, camera)
        assert (camera.restarts, moment.calls) == (0, 3)
    assert len(_digests(stores, survey)) == 2


def test_whoever_planned_to_take_a_block_that_is_whole_by_now_starts_no_game(stores: Stores) -> None:
    survey = captured(stores, city("by_now"))
    before = _digests(stores, survey)
    driver = survey.spec.driver.model_copy(update={"parameters": {"no": "such parameter"}})
    broken = replace(survey, spec=survey.spec.model_copy(update={"driver": driver}))
    done = capture_blocks(stores, broken, survey.blocks())
    assert (done.shots, done.kept, done.size_bytes, done.restarts) == (0, 0, 0, 0)
    assert _digests(stores, survey) == before


def test_a_reopened_block_is_taken_anew_and_its_offsets_are_asked_for_again(stores: Stores) -> None:
    survey = registered(stores, city("again", grid="6x6", block_side=2))
    place_survey(stores, survey)
    middle = Block(row=1, col=1)
    reopened(stores, survey, Layer.SCREENSHOTS, [middle])
    counting = Moment(Killed(), at_call=100)
    with failing_camera(survey.spec, counting) as camera:
        result = capture_block(stores, survey, middle, camera)
    assert (result.shots, result.kept, counting.calls) == (4, 0, 4)
    # a pair belongs to the block of its first shot: the row above and the left neighbour reach into the middle,
    # and so does the right one, by its lower left neighbours' pairs
    asked_for = {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)}
    assert set(survey.blocks()) - _done(stores, survey, Layer.PAIR_OFFSETS) == {
        Block(row=row, col=col) for row, col in asked_for
    }
    with stores.database.begin() as connection:
        progress = layers.progress(connection, survey.id)
    assert Layer.COORDINATES not in progress.done_layers
    step = next_step(progress)
    assert step is not None
    assert step.layer is Layer.PAIR_OFFSETS


def test_a_killed_second_taking_goes_on_and_replaces_every_picture(stores: Stores) -> None:
    survey = captured(stores, city("retaken"))
    before = _digests(stores, survey)
    other = city("retaken", drift_seed=99)
    reopened(stores, survey, Layer.SCREENSHOTS)
    with failing_camera(other, Moment(Killed(), at_call=4)) as camera, pytest.raises(Killed):
        capture_block(stores, survey, ONLY, camera)
    with failing_camera(other, Moment(Killed(), at_call=100)) as camera:
        capture_block(stores, survey, ONLY, camera)
    wanted = _digests(stores, captured(stores, other))
    assert wanted != before
    assert _digests(stores, survey) == wanted


class _Repainted(FailingCity):
    """A city where a patch in the corner of the map has another colour."""

    def grab(self, area: Area) -> Grabbed:
        grabbed = super().grab(area)
        if area.cell == Cell(row=0, col=0):
            grabbed.picture[PATCH] = PAINT
        return grabbed


def test_pictures_taken_again_reach_the_map_even_where_nothing_moved(stores: Stores) -> None:
    survey = reopened(stores, published(stores, city("repainted")), Layer.SCREENSHOTS)
    never = Moment(Killed(), at_call=100)
    with Camera(lambda: _Repainted(driver_of_city(survey.spec), never)) as camera:
        capture_block(stores, survey, ONLY, camera)
    carried(stores, survey)
    survey = states.read(stores, survey.id)
    corner = survey.published().bounds
    shown = read_region(stores, survey, Rect(x_px=corner.x_px, y_px=corner.y_px, width_px=100, height_px=100)).rgb
    assert (shown[PATCH] == PAINT).all()


def test_the_same_pictures_taken_again_leave_the_map_s_addresses_alone(stores: Stores) -> None:
    survey = published(stores, city("unchanged"))
    assert capture_blocks(stores, reopened(stores, survey, Layer.SCREENSHOTS), survey.blocks()).shots == 9
    carried(stores, survey)
    assert states.read(stores, survey.id).published_revision == survey.published_revision


def test_capturing_no_block_starts_no_game(stores: Stores) -> None:
    survey = planned(stores, city("nothing"))
    assert capture_blocks(stores, survey, ()).shots == 0
