"""The sensor's survey goes on by range runs of each layer, waits, counts what failed, and is given up in words."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import update

from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.carrying import carry_on
from imageflow_assets.map.partitions import SURVEYS
from imageflow_clients.database import layers, schema
from imageflow_clients.database import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import BLOCK_LAYERS, Carrier, DriverSpec, Layer, Step, Survey, SurveyState
from imageflow_surveys import carry
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.jobs import LAUNCH_S
from imageflow_surveys.runs import ATTEMPT_TAG, LAYER_TAG, SURVEY_TAG, blocks_of, layers_of, runs_of
from tests.assets.runs import add_run, age, ended, execute, succeed, tick
from tests.surveys.cities import city, count_anchored, places_of, planned
from tests.surveys.stand_ins import FailingStore, Moment

_STARTED, _FAILURE, _SUCCESS, _CANCELED = (
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.CANCELED,
)
ALIVE = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
    dg.DagsterRunStatus.QUEUED,
]


@pytest.fixture(autouse=True)
def _no_survey_is_left_running(stores: Stores) -> Iterator[None]:
    """A tick of the sensor sees all surveys: end those of this test."""
    yield
    with stores.database.begin() as connection:
        left = rows.find(connection, states=(SurveyState.PLANNED, SurveyState.RUNNING))
    for survey in left:
        carry.cancel(stores, survey, "the test is over")


def _started(stores: Stores, save: str, **more: object) -> Survey:
    survey = planned(stores, city(save, **more), Carrier.SENSOR)  # type: ignore[arg-type]
    return carry.take_up(stores, survey.id, Carrier.SENSOR)


def _asked(instance: dg.DagsterInstance, stores: Stores, survey: Survey) -> list[dg.RunRequest]:
    return list(carry_on(instance, stores, carry.read(stores, survey.id)))


def _run(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run


def _state(stores: Stores, survey: Survey) -> SurveyState:
    return carry.read(stores, survey.id).state


def _failures(stores: Stores, survey: Survey) -> int:
    with stores.database.begin() as connection:
        return sum(layers.progress(connection, survey.id).failures.values())


def test_a_square_survey_is_asked_for_by_one_run_over_the_range_of_its_blocks(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _started(stores, "range", grid="4x4", block_side=2)
    (request,) = _asked(instance, stores, survey)
    assert request.asset_selection == [BY_LAYER[Layer.SCREENSHOTS].key, BY_LAYER[Layer.PAIR_OFFSETS].key]
    assert request.partition_key is None
    assert request.tags["dagster/asset_partition_range_start"] == f"r00c00|{survey.id}"
    assert request.tags["dagster/asset_partition_range_end"] == f"r01c01|{survey.id}"
    assert (request.tags[SURVEY_TAG], request.tags[LAYER_TAG]) == (survey.id, "screenshots+pair_offsets")
    assert request.tags["dagster/max_retries"] == "0"
    assert instance.has_dynamic_partition(str(SURVEYS.name), survey.id)


def test_only_the_blocks_that_are_missing_are_asked_for(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _started(stores, "missing", grid="4x4", block_side=2)
    capture_blocks(stores, survey, survey.blocks()[:2])
    (request,) = _asked(instance, stores, survey)
    assert request.tags["dagster/asset_partition_range_start"] == f"r01c00|{survey.id}"


def test_asking_twice_gives_the_same_run_key_so_that_nothing_runs_twice(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _started(stores, "same_key")
    (first,), (second,) = _asked(instance, stores, survey), _asked(instance, stores, survey)
    assert first.run_key == second.run_key
    ended(instance, first, _FAILURE)
    (third,) = _asked(instance, stores, survey)
    assert third.run_key != first.run_key
    assert (first.tags[ATTEMPT_TAG], third.tags[ATTEMPT_TAG]) == ("1", "2")


@pytest.mark.parametrize("status", ALIVE)
def test_a_survey_waits_while_a_run_of_its_layer_is_alive(
    stores: Stores, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    survey = _started(stores, f"waits_{status.value.lower()}")
    (request,) = _asked(instance, stores, survey)
    ended(instance, request, status)
    assert _asked(instance, stores, survey) == []
    assert (_state(stores, survey), _failures(stores, survey)) == (SurveyState.RUNNING, 0)


def test_runs_of_others_are_not_waited_for(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _started(stores, "others")
    add_run(instance, dg.DagsterRunStatus.STARTED, {SURVEY_TAG: "city-else-0001", LAYER_TAG: "screenshots"})
    add_run(instance, dg.DagsterRunStatus.STARTED, {SURVEY_TAG: survey.id, LAYER_TAG: "tiles"})
    assert len(_asked(instance, stores, survey)) == 1


@pytest.mark.parametrize("part", [2, 4])
def test_a_run_that_ends_while_dagster_is_asked_is_no_failed_one(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """Between reading our rows and asking for its runs, a run may do the last of its part, and end."""
    survey = _started(stores, f"ends_meanwhile{part}", grid="4x4", block_side=2)
    blocks = sorted(survey.blocks())[:part]
    (work,) = runs_of(survey, Step(layer=Layer.SCREENSHOTS, blocks=tuple(blocks)), at_once=1)
    run = add_run(instance, _STARTED, {**work.tags(None), LAYER_TAG: "screenshots", ATTEMPT_TAG: "1"})
    ask = instance.get_run_records

    def end_then_ask(*what: Any, **how: Any) -> Any:
        capture_blocks(stores, survey, blocks)
        succeed(instance, run)
        return ask(*what, **how)

    monkeypatch.setattr(instance, "get_run_records", end_then_ask)
    asked = _asked(instance, stores, survey)
    assert [request.tags[ATTEMPT_TAG] for request in asked] == ["1"] * (part == 2)
    assert (_state(stores, survey), _failures(stores, survey)) == (SurveyState.RUNNING, 0)


def test_a_failed_run_is_counted_once_however_often_the_sensor_looks(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _started(stores, "counted_once")
    (request,) = _asked(instance, stores, survey)
    ended(instance, request, _FAILURE)
    for _ in range(4):
        assert len(_asked(instance, stores, survey)) == 1
    assert (_state(stores, survey), _failures(stores, survey)) == (SurveyState.RUNNING, 1)


def test_after_three_failed_attempts_the_survey_is_failed_with_the_step_s_own_words(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _with_driver(stores, _started(stores, "never"), DriverSpec(name="x11", parameters={}))
    for attempt in range(3):
        (request,) = tick(instance, stores)
        assert request.tags[ATTEMPT_TAG] == str(attempt + 1)
        assert not execute(instance, stores, request).success
    assert tick(instance, stores) == []
    failed = carry.read(stores, survey.id)
    assert failed.state is SurveyState.FAILED
    assert failed.reason is not None
    assert failed.reason.startswith("screenshots failed 3 times, last: The parameters of driver 'x11' are wrong")
    assert failed.finished_at is not None


def _with_driver(stores: Stores, survey: Survey, driver: DriverSpec) -> Survey:
    """Spoil a survey's driver, as a game that was uninstalled since spoils it."""
    spec = survey.spec.model_copy(update={"driver": driver})
    with stores.database.begin() as connection:
        connection.execute(
            update(schema.surveys).where(schema.surveys.c.id == survey.id).values(spec=spec.model_dump(mode="json"))
        )
    return carry.read(stores, survey.id)


def test_ranges_of_one_attempt_count_as_one_failure(stores: Stores, instance: dg.DagsterInstance) -> None:
    """A long survey needs several runs a layer: two that fail must not use up two attempts at once."""
    survey = _started(stores, "ranges", grid="5x1", block_side=1)
    for failures in (1, 2):
        requests = _asked(instance, stores, survey)
        assert len(requests) == 2
        for request in requests:
            ended(instance, request, _FAILURE)
        assert len(_asked(instance, stores, survey)) == 2
        assert (_state(stores, survey), _failures(stores, survey)) == (SurveyState.RUNNING, failures)
    for request in _asked(instance, stores, survey):
        ended(instance, request, _FAILURE)
    assert _asked(instance, stores, survey) == []
    assert _state(stores, survey) is SurveyState.FAILED


def test_ranges_follow_each_other_within_one_attempt(stores: Stores, instance: dg.DagsterInstance) -> None:
    """One slot, and one run that waits for it: the next range is asked for as soon as one has ended."""
    survey = _started(stores, "rolling", grid="5x1", block_side=1)
    first, second = _asked(instance, stores, survey)
    ended(instance, second, _STARTED)
    assert execute(instance, stores, first).success
    (third,) = _asked(instance, stores, survey)
    assert len({first.run_key, second.run_key, third.run_key}) == 3
    assert {request.tags[ATTEMPT_TAG] for request in (first, second, third)} == {"1"}
    assert set(blocks_of(third.tags)).isdisjoint(blocks_of(first.tags) + blocks_of(second.tags))
    assert _failures(stores, survey) == 0


def test_a_failed_range_lets_the_others_end_before_the_next_attempt(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _started(stores, "others_end", grid="5x1", block_side=1)
    first, second = _asked(instance, stores, survey)
    ended(instance, first, _FAILURE)
    working = ended(instance, second, _STARTED)
    assert _asked(instance, stores, survey) == []
    assert _failures(stores, survey) == 0
    instance.report_run_failed(_run(instance, working))
    assert [request.tags[ATTEMPT_TAG] for request in _asked(instance, stores, survey)] == ["2", "2"]
    assert _failures(stores, survey) == 1


def test_an_old_cancelled_run_says_nothing_of_a_survey_that_was_taken_up_again(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _started(stores, "up_again")
    (request,) = _asked(instance, stores, survey)
    ended(instance, request, _CANCELED)
    assert _asked(instance, stores, survey) == []
    carry.take_up(stores, survey.id, Carrier.SENSOR)
    (again,) = _asked(instance, stores, survey)
    assert again.run_key != request.run_key
    assert _state(stores, survey) is SurveyState.RUNNING


def test_a_run_that_is_still_ending_when_its_survey_is_taken_up_cancels_nothing(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _started(stores, "still_ending")
    (request,) = _asked(instance, stores, survey)
    ending = ended(instance, request, dg.DagsterRunStatus.CANCELING)
    carry.cancel(stores, survey, "somebody stopped it")
    carry.take_up(stores, survey.id, Carrier.SENSOR)
    assert _asked(instance, stores, survey) == []
    instance.report_run_canceled(_run(instance, ending))
    assert len(_asked(instance, stores, survey)) == 1
    assert _state(stores, survey) is SurveyState.RUNNING


def test_what_a_person_cancelled_is_not_completed_or_failed_by_what_comes_late(stores: Stores) -> None:
    survey = _started(stores, "late")
    carry.cancel(stores, survey, "a person stopped it")
    carry.finish(stores, survey)
    carry.give_up(stores, survey, "too late")
    for number in range(4):
        carry.note_failure(stores, survey, Layer.TILES, "too late", f"run-{number}")
    assert carry.read(stores, survey.id).reason == "a person stopped it"
    assert _state(stores, survey) is SurveyState.CANCELLED


def test_a_planned_survey_is_left_to_whoever_launches_it_and_begun_when_he_does_not(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("preparing"), Carrier.SENSOR)
    assert tick(instance, stores) == []
    assert _state(stores, survey) is SurveyState.PLANNED
    age(stores, survey, LAUNCH_S + 1)
    assert len(tick(instance, stores)) == 1
    assert _state(stores, survey) is SurveyState.RUNNING


def test_partitions_that_dagster_lacks_are_there_after_the_first_tick_and_others_stay(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("lost"), Carrier.OPERATOR)
    instance.add_dynamic_partitions(str(SURVEYS.name), ["city-of_others-0001"])
    tick(instance, stores)
    assert {survey.id, "city-of_others-0001"} <= set(instance.get_dynamic_partitions(str(SURVEYS.name)))


def test_each_block_of_a_range_is_reported_once_and_kept_when_a_later_one_fails(
    stores: Stores, instance: dg.DagsterInstance, home: Path
) -> None:
    survey = _started(stores, "reported", grid="5x1", block_side=1)
    first, second = _asked(instance, stores, survey)
    assert [block.key for block in blocks_of(first.tags)] == ["r00c00", "r00c01"]
    down = Moment(RuntimeError("the worker breaks down"), at_call=2)
    failing = FailingStore(home, down, concerns=lambda key: survey.id in key)
    assert not execute(instance, replace(stores, objects=failing), first).success
    key = BY_LAYER[Layer.SCREENSHOTS].key
    assert instance.get_materialized_partitions(key) == {f"r00c00|{survey.id}"}
    assert execute(instance, stores, first).success
    assert execute(instance, stores, second).success
    records = instance.fetch_materializations(key, limit=10).records
    assert sorted(str(record.partition_key).split("|")[0] for record in records) == ["r00c00", "r00c01", "r00c02"]


def test_what_a_killed_run_had_no_time_to_report_is_reported_once_the_survey_is_whole(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _started(stores, "untold", grid="2x1", block_side=1)
    capture_blocks(stores, survey, survey.blocks()[:1])
    add_run(instance, _FAILURE, {SURVEY_TAG: survey.id})
    while asked := _asked(instance, stores, survey):
        for request in asked:
            assert execute(instance, stores, request).success
    assert _state(stores, survey) is SurveyState.COMPLETED
    for layer, asset in BY_LAYER.items():
        found = instance.fetch_materializations(asset.key, limit=10).records
        wanted = [f"{block.key}|{survey.id}" for block in survey.blocks()] if layer in BLOCK_LAYERS else [survey.id]
        assert sorted(str(record.partition_key) for record in found) == sorted(wanted), layer


def test_a_whole_survey_waits_for_its_last_runs_where_one_has_failed(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    """They may be about to report what they made."""
    survey = _started(stores, "last_runs", grid="1x1")
    add_run(instance, _FAILURE, {SURVEY_TAG: survey.id})
    alive = add_run(instance, _STARTED, {SURVEY_TAG: survey.id})
    while asked := _asked(instance, stores, survey):
        for request in asked:
            assert execute(instance, stores, request).success
    assert _state(stores, survey) is SurveyState.RUNNING
    instance.delete_run(alive)
    assert _asked(instance, stores, survey) == []
    assert _state(stores, survey) is SurveyState.COMPLETED


def test_a_run_that_succeeds_without_making_its_layer_whole_is_no_endless_loop(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _started(stores, "empty_success")
    for _ in range(3):
        (request,) = _asked(instance, stores, survey)
        ended(instance, request, _SUCCESS)
    assert _asked(instance, stores, survey) == []
    failed = carry.read(stores, survey.id)
    assert failed.state is SurveyState.FAILED
    assert "ended without making everything" in str(failed.reason)


def test_a_cancelled_run_cancels_the_survey(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _started(stores, "cancelled")
    (request,) = _asked(instance, stores, survey)
    run_id = ended(instance, request, _CANCELED)
    assert _asked(instance, stores, survey) == []
    cancelled = carry.read(stores, survey.id)
    assert cancelled.state is SurveyState.CANCELLED
    assert cancelled.reason == f"Run {run_id} of screenshots was cancelled in Dagster."


def test_one_cancelled_range_cancels_the_survey_also_when_another_failed(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _started(stores, "cancelled_range", grid="3x1", block_side=1)
    first, second = _asked(instance, stores, survey)
    ended(instance, first, _FAILURE)
    ended(instance, second, _CANCELED)
    assert _asked(instance, stores, survey) == []
    assert _state(stores, survey) is SurveyState.CANCELLED


def test_the_sensor_carries_a_small_survey_to_its_end_with_four_runs(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _started(stores, "to_the_end", grid="4x4", block_side=2)
    asked = []
    for _ in range(4):
        (request,) = tick(instance, stores)
        assert execute(instance, stores, request).success
        asked += layers_of(request.tags)
    assert asked == list(Layer)
    assert tick(instance, stores) == []
    done = carry.read(stores, survey.id)
    assert (done.state, done.reason, done.is_published) == (SurveyState.COMPLETED, None, True)
    assert count_anchored(places_of(stores, done)) == 16
    assert len(instance.get_materialized_partitions(BY_LAYER[Layer.TILES].key)) == 4


def test_a_survey_whose_pictures_are_asked_for_again_is_not_failed_by_its_old_runs(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    """Three ranges succeeded once: they are no failed attempts when one block is taken again."""
    survey = _started(stores, "old_runs", grid="5x1", block_side=1)
    for request in tick(instance, stores):
        assert execute(instance, stores, request).success
    for request in tick(instance, stores):
        assert execute(instance, stores, request).success
    capture_blocks(stores, survey, survey.blocks()[1:2])
    again = tick(instance, stores)
    assert [request.tags[LAYER_TAG] for request in again] == ["pair_offsets"] * 2
    assert _state(stores, survey) is SurveyState.RUNNING


@pytest.mark.parametrize("carrier", [Carrier.COMMAND_LINE, Carrier.OPERATOR])
def test_the_sensor_asks_for_nothing_where_somebody_else_carries(
    stores: Stores, instance: dg.DagsterInstance, carrier: Carrier
) -> None:
    survey = planned(stores, city(f"else_{carrier}"), carrier)
    assert tick(instance, stores) == []
    assert carry.read(stores, survey.id) == survey


def test_an_operator_s_survey_is_running_once_it_has_something(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = planned(stores, city("operator"), Carrier.OPERATOR)
    capture_blocks(stores, survey, survey.blocks())
    assert tick(instance, stores) == []
    assert _state(stores, survey) is SurveyState.RUNNING
