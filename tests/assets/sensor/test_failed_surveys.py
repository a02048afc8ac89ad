"""Runs that fail without progress are counted, and the third one in a row fails its survey with a reason."""

from pathlib import Path

import dagster as dg
import numpy as np
from PIL import Image

from imageflow_clients.database.inspection import alerts
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, DriverSpec, SurveySpec, SurveyState
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.plan import plan_survey
from tests.assets.runs import begun, execute, failures, tick, waiting, with_driver

_FAILURE = dg.DagsterRunStatus.FAILURE


def test_a_failed_run_is_counted_once_however_often_the_sensor_looks(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = waiting(stores, "counted_once")
    (request,) = tick(instance, stores)
    begun(instance, stores, request, _FAILURE)
    for _ in range(4):
        assert len(tick(instance, stores)) == 1
    assert (states.read(stores, survey.id).state, failures(stores, survey)) == (SurveyState.RUNNING, 1)


def test_three_runs_without_progress_fail_a_survey_with_the_step_s_own_words(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = with_driver(stores, waiting(stores, "never"), DriverSpec(name="x11", parameters={}))
    for _ in range(3):
        (request,) = tick(instance, stores)
        assert not execute(instance, stores, request).success
    assert tick(instance, stores) == []
    failed = states.read(stores, survey.id)
    assert failed.state is SurveyState.FAILED
    assert failed.reason is not None
    assert failed.reason.startswith("3 runs in a row made no progress, last: The parameters of driver 'x11' are wrong")
    assert failed.finished_at is not None
    with stores.database.begin() as connection:
        (alert,) = [one for one in alerts.page(connection) if one.details.get("survey") == survey.id]
    assert "3 runs in a row made no progress" in alert.message


def test_a_run_that_made_progress_before_it_failed_counts_for_nothing(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = waiting(stores, "progress", grid="5x1", block_side=1)
    for block in survey.blocks():
        (request,) = tick(instance, stores)
        begun(instance, stores, request, _FAILURE)
        capture_blocks(stores, survey, [block])
    assert len(tick(instance, stores)) == 1
    assert (states.read(stores, survey.id).state, failures(stores, survey)) == (SurveyState.RUNNING, 0)


def test_a_survey_of_which_nothing_is_anchored_is_never_completed_by_the_sensor(
    stores: Stores, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for col in range(3):
        noise = np.random.default_rng(col).integers(0, 256, (128, 160, 3)).astype(np.uint8)
        Image.fromarray(noise).save(frames / f"r00_c{col:02d}.png")
    driver = DriverSpec(name="folder", parameters={"step": [100, 80]})
    spec = SurveySpec(game="folder", save="apart", driver=driver, source=str(frames))
    survey = plan_survey(stores, spec, Carrier.SENSOR)
    runs = 0
    while requests := tick(instance, stores):
        assert not execute(instance, stores, requests[0]).success
        runs += 1
    assert runs == 4, "the first one took the screenshots"
    failed = states.read(stores, survey.id)
    assert (failed.state, failed.published_revision) == (SurveyState.FAILED, None)
    assert failed.reason is not None
    assert "No two of the 3 screenshots of 'folder-apart-0001' (3 areas) are tied to one another" in failed.reason
