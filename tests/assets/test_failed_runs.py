"""A run that fails for good raises one alert: which run, of what, why, and what to do next."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from imageflow_assets.definitions import build_defs, defs
from imageflow_assets.failed_runs import alert_failed_runs
from imageflow_assets.inspection.partitions import DAYS
from imageflow_assets.inspection.sensors import send_alerts
from imageflow_assets.runs import will_be_retried
from imageflow_clients.database.inspection import alerts
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import DatabaseUnavailable
from imageflow_domain.inspection import Alert, AlertKind, BatchState
from imageflow_surveys.runs import REFUSED_TAG, SENSOR
from tests.assets.inspection.uploads import asked, execute, inspect, latest, put
from tests.assets.runs import add_run, evaluate
from tests.inspection.conftest import stores as empty_stores
from tests.inspection.lids import lid, published
from tests.inspection.test_intake import end_pauses
from tests.surveys.cities import city, planned

__all__ = ["empty_stores"]

STARTED, FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE


@pytest.fixture
def stores(empty_stores: Stores) -> Stores:
    return empty_stores


@dataclass
class Watch:
    """Ticks of the sensor, as Dagster's daemon makes them: each goes on where the last one that succeeded ended."""

    instance: dg.DagsterInstance
    stores: object
    cursor: str | None = None

    def tick(self) -> None:
        resources = {"stores": self.stores, "settings": Settings()}
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources=resources, definitions=defs
        ) as context:
            made = alert_failed_runs.evaluate_tick(context)
        self.cursor = made.cursor


@pytest.fixture
def watch(instance: dg.DagsterInstance, stores: Stores) -> Watch:
    """A sensor that has ticked once: what failed before is not its affair."""
    begun = Watch(instance, stores)
    begun.tick()
    return begun


@pytest.fixture
def retrying(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance that launches a run again whose worker crashed, as ours does."""
    retries = {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"run_retries": retries}) as made:
        yield made


def _raised(stores: Stores) -> list[Alert]:
    with stores.database.begin() as connection:
        return list(alerts.page(connection))


def _fail(instance: dg.DagsterInstance, run_id: str, message: str | None = None) -> None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_failed(run, message)


def test_a_failed_run_of_a_job_raises_one_alert_with_reason_next_step_and_link(
    watch: Watch, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEFLOW_ALERT_WEBHOOKS", "https://example.org/alerts")
    job = build_defs(resources={"stores": stores}).resolve_job_def("plan_survey")
    config = {"ops": {"register_survey": {"config": {"game": "No Name", "save": "a", "grid": "3x3"}}}}
    result = job.execute_in_process(instance=watch.instance, run_config=config, raise_on_error=False)
    watch.tick()
    (alert,) = _raised(stores)
    assert (alert.kind, alert.product, alert.batch_id) == (AlertKind.RUN_FAILED, None, None)
    assert alert.message.startswith(f"Run {result.run_id} of job 'plan_survey' failed: ")
    assert "'No Name' is not a valid name" in alert.message
    assert alert.message.endswith(f"launch the job again: http://127.0.0.1:3000/runs/{result.run_id}")
    assert alert.details["run"] == result.run_id
    with stores.database.begin() as connection:
        ((delivery,),) = alerts.deliveries(connection, [alert.id]).values()
    assert delivery.address == "https://example.org/alerts"


def test_a_tick_that_is_repeated_raises_nothing_twice(watch: Watch, stores: Stores) -> None:
    before = watch.cursor
    _fail(watch.instance, add_run(watch.instance, STARTED, location=None))
    for _ in range(2):
        watch.cursor = before
        watch.tick()
    assert len(_raised(stores)) == 1


def test_a_failed_run_of_a_survey_names_it_and_how_it_goes_on(watch: Watch, stores: Stores) -> None:
    survey = planned(stores, city("alerted"))
    run = add_run(watch.instance, STARTED, {"dagster/partition": survey.id}, location=None)
    _fail(watch.instance, run, "The store is full: free some space.")
    watch.tick()
    (alert,) = _raised(stores)
    assert f"Run {run} of survey '{survey.id}' failed: The store is full: free some space." in alert.message
    assert f"Once that is corrected, run `imageflow survey resume {survey.id}`, or re-execute" in alert.message
    assert alert.details["survey"] == survey.id


def test_a_run_that_a_person_launched_for_a_batch_names_the_batch_and_its_product(watch: Watch, stores: Stores) -> None:
    published(stores)
    batch = inspect(watch.instance, stores, "b1", [lid()])
    run = add_run(watch.instance, STARTED, {"dagster/partition": batch.key}, location=None)
    _fail(watch.instance, run)
    watch.tick()
    (alert,) = _raised(stores)
    assert (alert.product, alert.batch_id, alert.details["batch"]) == ("lid", batch.id, "lid-b1")


def test_a_batch_that_is_given_up_raises_its_own_alert_alone(watch: Watch, stores: Stores) -> None:
    published(stores)
    put(stores, "b1", [lid()])
    for _ in range(3):
        (request,) = asked(watch.instance, stores)
        tags = {**request.tags, "dagster/partition": "lid-b1", "dagster/run_key": str(request.run_key)}
        _fail(watch.instance, add_run(watch.instance, STARTED, tags, location=None))
        watch.tick()
        assert asked(watch.instance, stores) == []
        end_pauses(stores)
    assert latest(stores, "b1").state is BatchState.FAILED
    evaluate(send_alerts, watch.instance, stores)
    (alert,) = _raised(stores)
    assert alert.kind is AlertKind.INSPECTION_FAILED


def test_of_a_day_that_is_counted_three_times_in_vain_the_last_run_alone_is_told(watch: Watch, stores: Stores) -> None:
    instance = watch.instance
    for tries in range(3):
        tags = {"imageflow/statistics": "2026-11-29/7", "dagster/run_key": f"2026-11-29/7/{tries}"}
        _fail(instance, add_run(instance, STARTED, {**tags, "dagster/partition": "2026-11-29"}, location=None))
    watch.tick()
    (alert,) = _raised(stores)
    assert alert.details["day"] == "2026-11-29"


def test_the_reason_is_what_the_step_said(watch: Watch, stores: Stores) -> None:
    watch.instance.add_dynamic_partitions(str(DAYS.name), ["20260102"])
    request = dg.RunRequest(partition_key="20260102", asset_selection=[dg.AssetKey("inspection_statistics")])
    assert not execute(watch.instance, stores, request).success
    watch.tick()
    (alert,) = _raised(stores)
    assert "failed: The partition '20260102' is no day such as 2026-11-29: delete it." in alert.message


def test_a_run_that_dagster_launches_again_is_left_out_and_the_last_one_told(
    retrying: dg.DagsterInstance, stores: Stores
) -> None:
    watch = Watch(retrying, stores)
    watch.tick()
    first = add_run(retrying, STARTED, location=None)
    _fail(retrying, first)
    run = retrying.get_run_by_id(first)
    assert run is not None
    assert run.tags["dagster/will_retry"] == "true"
    assert will_be_retried(retrying, run.with_tags({})), "a moment before it is tagged"
    watch.tick()
    assert _raised(stores) == []
    last = add_run(retrying, STARTED, {"dagster/max_retries": "0"}, location=None)
    _fail(retrying, last)
    watch.tick()
    (alert,) = _raised(stores)
    assert alert.details["run"] == last


class _NoDatabase:
    """Stores whose database has gone since they were opened."""

    class database:  # noqa: N801 - stands where an object does
        @staticmethod
        def begin() -> object:
            raise DatabaseUnavailable("PostgreSQL does not answer: start it.")


def test_while_the_database_is_down_the_tick_fails_in_words_and_no_alert_is_lost(watch: Watch, stores: Stores) -> None:
    run = add_run(watch.instance, STARTED, location=None)
    _fail(watch.instance, run)
    down = Watch(watch.instance, _NoDatabase(), watch.cursor)
    with pytest.raises(dg.DagsterError, match=f"The alert of run {run} waits. PostgreSQL does not answer: start it"):
        down.tick()
    assert down.cursor == watch.cursor
    watch.tick()
    assert [alert.details["run"] for alert in _raised(stores)] == [run]


def test_a_run_that_the_sensor_follows_up_or_that_stood_back_raises_nothing(watch: Watch, stores: Stores) -> None:
    survey = planned(stores, city("followed_up"))
    requested = {"dagster/partition": survey.id, "dagster/sensor_name": SENSOR}
    _fail(watch.instance, add_run(watch.instance, STARTED, requested, location=None))
    refused = add_run(watch.instance, STARTED, {"dagster/partition": survey.id}, location=None)
    watch.instance.add_run_tags(refused, {REFUSED_TAG: refused})
    _fail(watch.instance, refused)
    watch.tick()
    assert _raised(stores) == []
