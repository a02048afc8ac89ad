"""Runs whose worker has died are found by its heartbeats."""

import dagster as dg
import pytest

from imageflow_assets.map.dead_runs import FIRST_SIGN_S, fail_dead_runs, stop_cancelled_runs
from imageflow_assets.silence import LISTENED_S, SilenceWatch
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, SurveyState
from imageflow_surveys import states
from imageflow_surveys.runs import ONLY_MISSING_TAG, PARTITION_TAG
from imageflow_surveys.states import SILENCE_S
from tests.assets.runs import add_run, beat, tick
from tests.surveys.cities import city, planned

_STARTED, _FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE
LONG_AGO_S = 3600.0


class _Clock:
    """Seconds that pass only on command."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _failed(instance: dg.DagsterInstance, stores: Stores) -> tuple[str, ...]:
    """Return what a watch fails that looked, listened, and looked again."""
    clock = _Clock()
    watch = SilenceWatch(clock)
    assert fail_dead_runs(instance, stores, watch) == ()
    clock.now_s += LISTENED_S
    return fail_dead_runs(instance, stores, watch)


def _status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_run_whose_heartbeat_stopped_is_failed_and_says_why(stores: Stores, instance: dg.DagsterInstance) -> None:
    run_id = add_run(instance, _STARTED, age_s=LONG_AGO_S)
    beat(stores, run_id, ago_s=SILENCE_S + 5)
    assert _failed(instance, stores) == (run_id,)
    assert _status(instance, run_id) is _FAILURE
    (entry,) = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "no sign of life for 3" in str(entry.dagster_event.message if entry.dagster_event else "")
    assert _failed(instance, stores) == ()


def test_a_run_whose_worker_beats_lives_however_old_it_is(stores: Stores, instance: dg.DagsterInstance) -> None:
    run_id = add_run(instance, _STARTED, age_s=LONG_AGO_S)
    beat(stores, run_id, ago_s=SILENCE_S - 10)
    assert _failed(instance, stores) == ()
    assert _status(instance, run_id) is _STARTED


def test_a_run_is_not_dead_because_the_machine_slept(stores: Stores, instance: dg.DagsterInstance) -> None:
    """On waking, the sensor may look before the worker beats again."""
    clock = _Clock()
    watch = SilenceWatch(clock)
    run_id = add_run(instance, _STARTED, age_s=LONG_AGO_S)
    beat(stores, run_id, ago_s=LONG_AGO_S)
    assert fail_dead_runs(instance, stores, watch) == ()
    clock.now_s += 1
    beat(stores, run_id, ago_s=0)
    assert fail_dead_runs(instance, stores, watch) == ()
    clock.now_s += 3 * LISTENED_S
    beat(stores, run_id, ago_s=SILENCE_S + 5)
    assert fail_dead_runs(instance, stores, watch) == (), "what was heard before its last sign of life does not count"
    assert _status(instance, run_id) is _STARTED
    clock.now_s += LISTENED_S
    assert fail_dead_runs(instance, stores, watch) == (run_id,)


@pytest.mark.parametrize(("age_s", "dead"), [(FIRST_SIGN_S - 10, False), (FIRST_SIGN_S + 10, True)])
def test_a_worker_may_take_a_minute_to_give_its_first_sign(
    stores: Stores, instance: dg.DagsterInstance, age_s: float, dead: bool
) -> None:
    run_id = add_run(instance, _STARTED, age_s=age_s)
    assert _failed(instance, stores) == ((run_id,) if dead else ())


def test_a_run_that_was_queued_for_an_hour_may_start_its_worker_as_any_other(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    starting = dg.DagsterRunStatus.STARTING
    add_run(instance, starting, age_s=LONG_AGO_S, changed_ago_s=FIRST_SIGN_S - 10)
    assert _failed(instance, stores) == ()
    dead = add_run(instance, starting, age_s=LONG_AGO_S, changed_ago_s=FIRST_SIGN_S + 10)
    assert _failed(instance, stores) == (dead,)


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
)
def test_a_run_that_never_came_to_work_is_failed_too(
    stores: Stores, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run_id = add_run(instance, status, age_s=LONG_AGO_S)
    assert _failed(instance, stores) == (run_id,)


def test_a_cancelled_run_whose_worker_died_is_not_one_that_dagster_repeats(
    stores: Stores, instance: dg.DagsterInstance
) -> None:
    run_id = add_run(instance, dg.DagsterRunStatus.CANCELING, age_s=LONG_AGO_S)
    beat(stores, run_id, ago_s=SILENCE_S + 5)
    assert _failed(instance, stores) == (run_id,)
    assert _status(instance, run_id) is dg.DagsterRunStatus.CANCELED


def test_a_run_of_other_code_in_the_same_instance_is_left_alone(stores: Stores, instance: dg.DagsterInstance) -> None:
    others = [add_run(instance, _STARTED, age_s=LONG_AGO_S, location=location) for location in ("theirs", None)]
    assert _failed(instance, stores) == ()
    assert [_status(instance, run_id) for run_id in others] == [_STARTED, _STARTED]


@pytest.mark.parametrize("has_beaten", [True, False])
def test_a_run_of_a_command_line_that_died_is_failed(
    stores: Stores, instance: dg.DagsterInstance, has_beaten: bool
) -> None:
    run_id = add_run(
        instance, _STARTED, {PARTITION_TAG: "city-s-0001", ONLY_MISSING_TAG: "true"}, age_s=LONG_AGO_S, location=None
    )
    if has_beaten:
        beat(stores, run_id, ago_s=SILENCE_S + 5)
    assert _failed(instance, stores) == (run_id,)


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
)
def test_a_run_that_ended_is_left_alone(
    stores: Stores, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run_id = add_run(instance, status, age_s=LONG_AGO_S)
    assert _failed(instance, stores) == ()
    assert _status(instance, run_id) is status


def test_the_sensor_fails_dead_runs_and_requests_what_they_left(stores: Stores, instance: dg.DagsterInstance) -> None:
    survey = planned(stores, city("dead_run"), Carrier.SENSOR)
    clock = _Clock()
    watch = SilenceWatch(clock)
    (request,) = tick(instance, stores, watch)
    for _ in range(3):
        run_id = add_run(instance, _STARTED, {**request.tags, PARTITION_TAG: survey.id}, age_s=LONG_AGO_S)
        assert tick(instance, stores, watch) == []
        clock.now_s += LISTENED_S
        asked = tick(instance, stores, watch)
        assert _status(instance, run_id) is _FAILURE
        assert [again.run_key == request.run_key for again in asked] in ([False], [])
        request = asked[0] if asked else request
    failed = states.read(stores, survey.id)
    assert (asked, failed.state) == ([], SurveyState.FAILED)
    assert "3 runs in a row made no progress, last: " in str(failed.reason)
    assert "no sign of life" in str(failed.reason)


def test_runs_of_a_survey_that_was_cancelled_while_dagster_was_down_are_stopped(
    stores: Stores, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    # an instance in memory has no launcher that could stop a run
    monkeypatch.setattr(instance.run_coordinator, "cancel_run", stopped.append)
    survey = planned(stores, city("stop_me"), Carrier.SENSOR)
    before = add_run(instance, dg.DagsterRunStatus.QUEUED, {PARTITION_TAG: survey.id}, age_s=60)
    states.cancel(stores, survey.id, "Cancelled over the API.")
    after = add_run(instance, dg.DagsterRunStatus.QUEUED, {PARTITION_TAG: survey.id})
    assert stop_cancelled_runs(instance, stores) == (before,)
    assert after not in stopped, "a later materialisation takes it up again"
    assert stopped == [before]


def test_a_run_whose_pod_waits_for_a_node_has_the_time_that_the_instance_gives(stores: Stores) -> None:
    monitored = {"run_monitoring": {"enabled": True, "start_timeout_seconds": 2 * LONG_AGO_S}}
    with dg.DagsterInstance.ephemeral(settings=monitored) as instance:
        waits = add_run(instance, dg.DagsterRunStatus.STARTING, age_s=LONG_AGO_S)
        waited = add_run(instance, dg.DagsterRunStatus.STARTING, age_s=3 * LONG_AGO_S)
        works = add_run(instance, _STARTED, age_s=LONG_AGO_S)
        assert set(_failed(instance, stores)) == {waited, works}
        assert _status(instance, waits) is dg.DagsterRunStatus.STARTING
