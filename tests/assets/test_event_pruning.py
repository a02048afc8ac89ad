"""Logs of old runs: what goes, and what Dagster's pages still show."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from imageflow_clients.settings import Settings
from imageflow_resources.event_pruning import prune_events
from imageflow_resources.storage import load_instance

NOW = timedelta(0)


@pytest.fixture
def instance(
    tmp_path: Path, databases: Callable[[], SecretStr], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """One on PostgreSQL, as it is in production."""
    database = databases()
    monkeypatch.setenv("IMAGEFLOW_DATABASE_URL", database.get_secret_value())
    with load_instance(Settings(home=tmp_path, database_url=database)) as opened:
        yield opened


@dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="made")])
def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    context.log.info("a message")
    return dg.MaterializeResult(metadata={"pages": 7}, check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset
def broken() -> None:
    raise ValueError("it fails")


def events_of(instance: dg.DagsterInstance, run: str) -> list[str]:
    """Return the types of a run's entries; a message's is "None"."""
    entries = instance.all_logs(run)
    return [str(entry.dagster_event and entry.dagster_event.event_type_value) for entry in entries]


def test_steps_of_old_runs_go_and_assets_checks_and_runs_stay(instance: dg.DagsterInstance) -> None:
    run = dg.materialize([made], instance=instance).run_id
    assert {"STEP_START", "None", "STEP_OUTPUT"} <= set(events_of(instance, run))
    logged = len(events_of(instance, run))

    assert prune_events(instance, timedelta(days=1)) == 0
    deleted = prune_events(instance, NOW)
    left = events_of(instance, run)
    assert deleted == logged - len(left) > len(left)
    assert set(left) >= {"ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION", "PIPELINE_START", "PIPELINE_SUCCESS"}
    assert not {"STEP_START", "None", "STEP_OUTPUT"} & set(left)
    event = instance.get_latest_materialization_event(dg.AssetKey("made"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["pages"] == dg.IntMetadataValue(7)
    record = instance.get_run_record_by_id(run)
    assert record is not None
    assert record.dagster_run.status == dg.DagsterRunStatus.SUCCESS
    assert prune_events(instance, NOW) == 0


def test_why_a_step_failed_stays(instance: dg.DagsterInstance) -> None:
    run = dg.materialize([broken], instance=instance, raise_on_error=False).run_id
    assert prune_events(instance, NOW) > 0
    failure = next(
        entry.dagster_event
        for entry in instance.all_logs(run)
        if entry.dagster_event is not None and entry.dagster_event.is_step_failure
    )
    assert "it fails" in str(failure.step_failure_data.error)


def test_a_run_that_has_not_ended_keeps_everything(instance: dg.DagsterInstance) -> None:
    run = dg.materialize([made], instance=instance).run_id
    logged = events_of(instance, run)
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE runs SET status = 'STARTED'")
    assert prune_events(instance, NOW) == 0
    assert events_of(instance, run) == logged
