"""The sensor requests runs for planned and uploaded surveys, settles those whose run ended, and gives up in words."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import update

from imageflow_assets.map import requesting
from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.states import report_state
from imageflow_clients.database import alerts, jobs, layers, leases, schema
from imageflow_clients.database import surveys as rows
from imageflow_clients.database.leases import Lease
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, DriverSpec, Layer, Survey, SurveyState
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.runs import MAP_JOB, ONLY_MISSING_TAG, PARTITION_TAG, REFUSED_TAG
from tests.assets.runs import add_run, ended, execute, materialise, shown_states, succeed, tick
from tests.surveys.cities import city, count_anchored, places_of, planned

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
        states.cancel(stores, survey.id, "the test is over")


def _waiting(stores: Stores, save: str, **more: object) -> Survey:
    return planned(stores, city(save, **more), Carrier.SENSOR)  # type: ignore[arg-type]


def _now(stores: Stores, survey: Survey) -> Survey:
    return states.read(stores, survey.id)


def _begun(instance: dg.DagsterInstance, stores: Stores, request: dg.RunRequest, status: dg.DagsterRunStatus) -> str:
    """Record the run of a request which took its survey's lease, made nothing, and ended."""
    run_id = ended(instance, request, status)
    _take_lease(stores, states.read(stores, str(request.partition_key)), run_id)
    return run_id


def _take_lease(stores: Stores, survey: Survey, run_id: str) -> None:
    with stores.database.begin() as connection:
        done = layers.progress(connection, survey.id).tasks_done + layers.shots(connection, survey.id).taken
        leases.take(
            connection,
            Lease(survey_id=survey.id, run_id=run_id, root_run_id=run_id, again=False, reopened=(), done_before=done),
        )
        rows.set_state(connection, survey.id, SurveyState.RUNNING)


def _failures(stores: Stores, survey: Survey) -> int:
    with stores.database.begin() as connection:
        return layers.progress(connection, survey.id).failures


def test_one_run_of_all_six_assets_makes_a_survey(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _waiting(stores, "whole", grid="4x4", block_side=2)
    (request,) = tick(instance, stores)
    assert (request.job_name, request.partition_key) == (MAP_JOB, survey.id)
    assert ONLY_MISSING_TAG in request.tags
    assert instance.has_dynamic_partition(str(SURVEYS.name), survey.id)
    result = execute(instance, stores, request)
    assert result.success
    assert tick(instance, stores) == []
    done = _now(stores, survey)
    assert (done.state, done.reason, done.is_published) == (SurveyState.COMPLETED, None, True)
    assert count_anchored(places_of(stores, done)) == 16
    for layer, asset in BY_LAYER.items():
        assert instance.get_materialized_partitions(asset.key) == {survey.id}, layer
    assert {one.check_name for one in result.get_asset_check_evaluations()} == {
        "loops_close",
        "shots_placed",
        "decisive_offsets_kept",
        "mostly_anchored",
        "one_group",
        "positions_hold",
        "tiles_whole",
    }
    assert {one.partition for one in result.get_asset_check_evaluations()} == {survey.id}


def test_a_request_that_is_made_twice_has_the_same_run_key(stores: Stores, instance: dg.DagsterInstance) -> None:
    _waiting(stores, "same_key")
    (first,), (second,) = tick(instance, stores), tick(instance, stores)
    assert first.run_key == second.run_key
    _begun(instance, stores, first, _FAILURE)
    (third,) = tick(instance, stores)
    assert third.run_key != first.run_key


@pytest.mark.parametrize("status", ALIVE)
def test_a_survey_waits_while_a_run_of_it_is_alive(
    stores: Stores, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    survey = _waiting(stores, f"waits_{status.value.lower()}")
    (request,) = tick(instance, stores)
    ended(instance, request, status)
    assert tick(instance, stores) == []
    assert _failures(stores, survey) == 0


def test_an_older_run_that_is_alive_is_waited_for_though_a_newer_one_ended(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _waiting(stores, "older")
    add_run(instance, _STARTED, {PARTITION_TAG: survey.id})
    add_run(instance, _FAILURE, {PARTITION_TAG: survey.id})
    assert tick(instance, stores) == []


def test_a_run_that_had_to_stand_back_says_nothing_of_its_survey(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _waiting(stores, "stood_back")
    (request,) = tick(instance, stores)
    _begun(instance, stores, request, _FAILURE)
    (before,) = tick(instance, stores)
    _refused(instance, survey, _CANCELED)
    (request,) = tick(instance, stores)
    assert request.run_key != before.run_key, "the run that stood back may have been requested under that key"
    assert _now(stores, survey).state is SurveyState.RUNNING


def _refused(instance: dg.DagsterInstance, survey: Survey, status: dg.DagsterRunStatus, **tags: str) -> str:
    """Record a run that had to stand back."""
    run_id = add_run(instance, status, {PARTITION_TAG: survey.id, **tags})
    instance.add_run_tags(run_id, {REFUSED_TAG: run_id})
    return run_id


def test_a_run_that_repeats_a_refused_one_settles_its_survey(stores: Stores, instance: dg.DagsterInstance) -> None:
    """Dagster copies the tags of the run that a person executes again."""
    survey = planned(stores, city("refused_before"), Carrier.OPERATOR)
    refused = _refused(instance, survey, _FAILURE)
    assert materialise(instance, stores, survey, tags={REFUSED_TAG: refused}).success
    assert tick(instance, stores) == []
    assert _now(stores, survey).state is SurveyState.COMPLETED


def test_a_survey_whose_first_run_was_refused_is_begun_by_another_one(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    """As where a job was cancelled between two of its steps, and is tried again."""
    survey = _waiting(stores, "refused_first")
    (request,) = tick(instance, stores)
    states.cancel(stores, survey.id, "Cancelled over the API.")
    _refused(instance, survey, _FAILURE)
    states.take_up(stores, survey.id, Carrier.SENSOR)
    (again,) = tick(instance, stores)
    assert again.run_key != request.run_key, "Dagster never launches a second run of one key"


def test_a_run_that_was_queued_while_another_one_made_its_survey_leaves_it_completed(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _waiting(stores, "queued_long")
    (request,) = tick(instance, stores)
    queued = ended(instance, request, dg.DagsterRunStatus.QUEUED)
    states.take_up(stores, survey.id, Carrier.COMMAND_LINE)
    assert materialise(instance, stores, survey, tags={ONLY_MISSING_TAG: "true"}).success
    (record,) = instance.get_run_records(limit=1)
    assert requesting.settle(instance, stores, survey.id, [record]) is None
    assert _now(stores, survey).state is SurveyState.COMPLETED
    _take_lease(stores, survey, queued)
    run = instance.get_run_by_id(queued)
    assert run is not None
    succeed(instance, queued)
    assert tick(instance, stores) == []
    assert _now(stores, survey).state is SurveyState.COMPLETED


def test_a_run_that_was_queued_before_its_survey_was_taken_up_settles_it(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("queued_before"), Carrier.OPERATOR)
    queued = add_run(instance, dg.DagsterRunStatus.QUEUED, {PARTITION_TAG: survey.id})
    states.take_up(stores, survey.id, Carrier.OPERATOR)
    capture_blocks(stores, survey, survey.blocks())
    _take_lease(stores, survey, queued)
    succeed(instance, queued)
    assert tick(instance, stores) == []
    now = _now(stores, survey)
    assert (now.state, now.reason) == (SurveyState.PLANNED, "1 of 6 tasks are done. Materialise pair_offsets next.")


def test_a_run_of_the_command_line_that_was_refused_does_not_settle_the_survey_of_another_one(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("refused_here"), Carrier.COMMAND_LINE)
    _take_lease(stores, survey, add_run(instance, _STARTED, {PARTITION_TAG: survey.id}))
    assert not materialise(instance, stores, survey, tags={ONLY_MISSING_TAG: "true"}).success
    (record,) = instance.get_run_records(limit=1)
    assert requesting.settle(instance, stores, survey.id, [record]) is None
    assert _now(stores, survey).state is SurveyState.RUNNING
    assert _failures(stores, survey) == 0


def test_runs_of_other_surveys_are_not_waited_for(stores: Stores, instance: dg.DagsterInstance) -> None:
    _waiting(stores, "others")
    add_run(instance, _STARTED, {PARTITION_TAG: "city-else-0001"})
    assert len(tick(instance, stores)) == 1


def test_a_failed_run_is_counted_once_however_often_the_sensor_looks(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _waiting(stores, "counted_once")
    (request,) = tick(instance, stores)
    _begun(instance, stores, request, _FAILURE)
    for _ in range(4):
        assert len(tick(instance, stores)) == 1
    assert (_now(stores, survey).state, _failures(stores, survey)) == (SurveyState.RUNNING, 1)


def test_three_runs_without_progress_fail_a_survey_with_the_step_s_own_words(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _with_driver(stores, _waiting(stores, "never"), DriverSpec(name="x11", parameters={}))
    for _ in range(3):
        (request,) = tick(instance, stores)
        assert not execute(instance, stores, request).success
    assert tick(instance, stores) == []
    failed = _now(stores, survey)
    assert failed.state is SurveyState.FAILED
    assert failed.reason is not None
    assert failed.reason.startswith("3 runs in a row made no progress, last: The parameters of driver 'x11' are wrong")
    assert failed.finished_at is not None
    with stores.database.begin() as connection:
        (alert,) = [one for one in alerts.page(connection) if one.details.get("survey") == survey.id]
    assert "3 runs in a row made no progress" in alert.message


def _with_driver(stores: Stores, survey: Survey, driver: DriverSpec) -> Survey:
    """Spoil a survey's driver, as a game that was uninstalled since spoils it."""
    spec = survey.spec.model_copy(update={"driver": driver})
    with stores.database.begin() as connection:
        connection.execute(
            update(schema.surveys).where(schema.surveys.c.id == survey.id).values(spec=spec.model_dump(mode="json"))
        )
    return states.read(stores, survey.id)


def test_a_run_that_made_progress_before_it_failed_counts_for_nothing(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _waiting(stores, "progress", grid="5x1", block_side=1)
    for block in survey.blocks():
        (request,) = tick(instance, stores)
        _begun(instance, stores, request, _FAILURE)
        capture_blocks(stores, survey, [block])
    assert len(tick(instance, stores)) == 1
    assert (_now(stores, survey).state, _failures(stores, survey)) == (SurveyState.RUNNING, 0)


def test_a_run_that_dagster_repeats_by_itself_is_waited_for(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _waiting(stores, "repeats")
    add_run(instance, _FAILURE, {PARTITION_TAG: survey.id, "dagster/will_retry": "true"})
    assert tick(instance, stores) == []
    assert _failures(stores, survey) == 0


def test_a_whole_survey_whose_last_run_crashed_is_run_once_more_so_that_dagster_knows_what_it_has(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    """A worker that is killed between its rows and its event made something that Dagster has not heard of."""
    survey = _waiting(stores, "untold")
    (request,) = tick(instance, stores)
    assert execute(instance, stores, request).success
    _begun(instance, stores, request, _FAILURE)
    (again,) = tick(instance, stores)
    taken = _shots(stores, survey)
    assert execute(instance, stores, again).success
    assert tick(instance, stores) == []
    assert _now(stores, survey).state is SurveyState.COMPLETED
    assert _shots(stores, survey) == taken, "nothing was made a second time"
    for asset in BY_LAYER.values():
        assert survey.id in instance.get_materialized_partitions(asset.key)


def _shots(stores: Stores, survey: Survey) -> list[Any]:
    table = schema.screenshots
    with stores.database.begin() as connection:
        return list(connection.execute(table.select().where(table.c.survey_id == survey.id).order_by(table.c.col)))


def test_an_old_cancelled_run_says_nothing_of_a_survey_that_was_taken_up_again(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _waiting(stores, "up_again")
    (request,) = tick(instance, stores)
    run_id = _begun(instance, stores, request, _CANCELED)
    assert tick(instance, stores) == []
    cancelled = _now(stores, survey)
    assert (cancelled.state, cancelled.reason) == (SurveyState.CANCELLED, f"Run {run_id} was cancelled.")
    states.take_up(stores, survey.id, Carrier.SENSOR)
    (again,) = tick(instance, stores)
    assert again.run_key != request.run_key
    assert _now(stores, survey).state is SurveyState.PLANNED


def test_a_run_that_is_still_ending_when_its_survey_is_taken_up_cancels_nothing(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _waiting(stores, "still_ending")
    (request,) = tick(instance, stores)
    ending = _begun(instance, stores, request, dg.DagsterRunStatus.CANCELING)
    states.cancel(stores, survey.id, "somebody stopped it")
    states.take_up(stores, survey.id, Carrier.SENSOR)
    assert tick(instance, stores) == []
    run = instance.get_run_by_id(ending)
    assert run is not None
    instance.report_run_canceled(run)
    assert len(tick(instance, stores)) == 1
    assert _now(stores, survey).state is SurveyState.PLANNED


def test_the_run_of_a_job_is_noted_though_it_ended_before_the_sensor_looked(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _waiting(stores, "quick_job")
    with stores.database.begin() as connection:
        jobs.begin(connection, survey, {}, None)
        # older than a launch over the API takes
        old = update(schema.surveys).where(schema.surveys.c.id == survey.id)
        connection.execute(old.values(created_at=survey.created_at - timedelta(hours=1)))
    (request,) = tick(instance, stores)
    result = execute(instance, stores, request)
    assert result.success
    assert tick(instance, stores) == []
    assert _now(stores, survey).state is SurveyState.COMPLETED
    with stores.database.begin() as connection:
        job = jobs.find_of_survey(connection, survey.id)
    assert job is not None
    assert job.dag_run_id == result.run_id


def test_a_job_whose_queued_run_was_cancelled_is_taken_up_again(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _waiting(stores, "never_began")
    (request,) = tick(instance, stores)
    states.cancel(stores, survey.id, "Cancelled over the API.")
    ended(instance, request, _CANCELED)
    states.take_up(stores, survey.id, Carrier.SENSOR)
    (again,) = tick(instance, stores)
    assert again.run_key != request.run_key
    assert _now(stores, survey).state is SurveyState.PLANNED


def test_a_survey_is_begun_however_many_were_planned_after_it(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = _waiting(stores, "many_after")
    later = planned(stores, city("many_later"), Carrier.OPERATOR)
    table = schema.surveys
    with stores.database.begin() as connection:
        row = dict(connection.execute(table.select().where(table.c.id == later.id)).one()._mapping)
        names = [f"city-many_later-{number:04d}" for number in range(2, 1002)]
        connection.execute(table.insert(), [{**row, "id": name} for name in names])
    try:
        assert [request.partition_key for request in tick(instance, stores)] == [survey.id]
    finally:
        with stores.database.begin() as connection:
            connection.execute(table.delete().where(table.c.id.in_(names)))


def test_dagster_shows_once_that_a_survey_was_cancelled_by_somebody_else(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _waiting(stores, "cancelled_elsewhere")
    instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])
    report_state(instance, survey)
    states.cancel(stores, survey.id, "Cancelled over the API.")
    for _ in range(2):
        tick(instance, stores)
        assert shown_states(instance, survey.id) == ["cancelled", "planned"]


def test_partitions_that_dagster_lacks_are_there_after_the_first_tick_and_others_stay(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("lost"), Carrier.OPERATOR)
    instance.add_dynamic_partitions(str(SURVEYS.name), ["city-of_others-0001"])
    tick(instance, stores)
    assert {survey.id, "city-of_others-0001"} <= set(instance.get_dynamic_partitions(str(SURVEYS.name)))


@pytest.mark.parametrize("carrier", [Carrier.COMMAND_LINE, Carrier.OPERATOR])
def test_the_sensor_requests_nothing_for_surveys_of_others(
    stores: Stores, instance: dg.DagsterInstance, carrier: Carrier
) -> None:
    survey = planned(stores, city(f"else_{carrier}"), carrier)
    assert tick(instance, stores) == []
    assert states.read(stores, survey.id) == survey


def test_a_run_that_began_since_the_others_were_asked_for_is_left_to_its_work(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("began_since"), Carrier.OPERATOR)
    before = add_run(instance, _FAILURE, {PARTITION_TAG: survey.id})
    asked_for = instance.get_run_records(dg.RunsFilter(run_ids=[before]))
    _take_lease(stores, survey, add_run(instance, _STARTED, {PARTITION_TAG: survey.id}))
    assert requesting.settle(instance, stores, survey.id, asked_for) is None
    assert _now(stores, survey).state is SurveyState.RUNNING


def test_a_survey_that_an_operator_materialised_in_part_says_what_comes_next(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = planned(stores, city("in_part"), Carrier.OPERATOR)
    assert materialise(instance, stores, survey, Layer.SCREENSHOTS).success
    assert _now(stores, survey).state is SurveyState.RUNNING
    assert tick(instance, stores) == []
    now = _now(stores, survey)
    assert (now.state, now.reason) == (
        SurveyState.PLANNED,
        "1 of 6 tasks are done. Materialise pair_offsets next.",
    )
    assert materialise(instance, stores, survey).success
    assert tick(instance, stores) == []
    assert _now(stores, survey).state is SurveyState.COMPLETED


def test_an_operator_takes_up_a_failed_survey_by_materialising_it(stores: Stores, instance: dg.DagsterInstance) -> None:
    spec = city("taken_up")
    survey = _with_driver(stores, planned(stores, spec, Carrier.OPERATOR), DriverSpec(name="x11", parameters={}))
    assert not materialise(instance, stores, survey).success
    assert tick(instance, stores) == []
    failed = _now(stores, survey)
    assert failed.state is SurveyState.FAILED
    assert str(failed.reason).startswith("The parameters of driver 'x11' are wrong")
    _with_driver(stores, survey, spec.driver)
    assert materialise(instance, stores, survey).success
    assert tick(instance, stores) == []
    assert _now(stores, survey).state is SurveyState.COMPLETED


def test_a_second_run_of_a_survey_fails_at_once_and_names_the_first(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    survey = _waiting(stores, "second")
    (request,) = tick(instance, stores)
    first = _begun(instance, stores, request, _STARTED)
    result = materialise(instance, stores, survey)
    assert not result.success
    assert _told(result).startswith(f"Run {first} is at work on '{survey.id}'")
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert REFUSED_TAG in run.tags
    assert tick(instance, stores) == []
    assert _now(stores, survey).state is SurveyState.RUNNING


def test_a_partition_for_a_survey_that_nobody_planned_fails_with_advice_and_leaves_no_check(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    nobodys = planned(stores, city("nobodys"))
    with stores.database.begin() as connection:
        rows.remove(connection, nobodys)
    result = materialise(instance, stores, nobodys)
    assert not result.success
    assert "Run the job plan_survey" in _told(result)
    assert result.get_asset_check_evaluations() == []


def _told(result: dg.ExecuteInProcessResult) -> str:
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    return str(told.description)
