"""Runs wait in lines: however many runs of the map are queued, an inspection begins."""

from collections.abc import Callable, Iterator, Sequence

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from pydantic import SecretStr

from imageflow_clients.settings import Settings
from imageflow_resources.queue import LINE_TAG, RunLine, line_of, runs_of_lines
from imageflow_resources.storage import load_instance

_MAP = [dg.AssetKey(name) for name in ("screenshots", "tiles")]
_INSPECTION = [dg.AssetKey(name) for name in ("batch_images", "inspection_results")]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("queue"), database_url=databases())


@pytest.fixture
def instance(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    assert settings.database_url is not None
    monkeypatch.setenv("IMAGEFLOW_DATABASE_URL", settings.database_url.get_secret_value())
    with load_instance(settings) as loaded:
        yield loaded
        for run in loaded.get_runs():
            loaded.delete_run(run.run_id)


def _run(assets: Sequence[dg.AssetKey], **tags: str) -> dg.DagsterRun:
    repository = RemoteRepositoryOrigin(
        code_location_origin=RegisteredCodeLocationOrigin("here"), repository_name="__repository__"
    )
    return dg.DagsterRun(
        job_name="__ASSET_JOB",
        asset_selection=frozenset(assets) or None,
        tags={key.replace("__", "/"): value for key, value in tags.items()},
        remote_job_origin=RemoteJobOrigin(repository_origin=repository, job_name="__ASSET_JOB"),
    )


def _submit(instance: dg.DagsterInstance, assets: Sequence[dg.AssetKey], **tags: str) -> str:
    run = _run(assets, **tags)
    instance.add_run(run)
    instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]
    return run.run_id


def _dequeued(instance: dg.DagsterInstance) -> list[str]:
    """Return the runs that Dagster's daemon would start now; they count as started from then on."""
    daemon: QueuedRunCoordinatorDaemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
    runs = daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), fixed_iteration_time=None)
    for run in runs:
        instance.report_dagster_event(dg.DagsterEvent("PIPELINE_STARTING", run.job_name), run.run_id)
    return [run.run_id for run in runs]


def test_the_instance_takes_its_limits_from_the_settings(
    instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = runs_of_lines(Settings())
    assert lines == {RunLine.MAP: 3 + 2 + 2 + 1, RunLine.INSPECTION: 2 + 1, RunLine.EXECUTIONS: 2, RunLine.UPKEEP: 2}
    config = instance.get_concurrency_config().run_queue_config
    assert config is not None
    assert config.max_concurrent_runs == sum(lines.values())
    monkeypatch.setenv("IMAGEFLOW_CAPTURE_POOL", "9")
    with load_instance(settings) as more:
        config = more.get_concurrency_config().run_queue_config
        assert config is not None
        assert config.max_concurrent_runs == sum(lines.values()) + 6


def test_a_run_is_tagged_with_its_line_when_it_is_submitted(instance: dg.DagsterInstance) -> None:
    wanted = {
        _submit(instance, _MAP): "map",
        _submit(instance, _INSPECTION): "inspection",
        _submit(instance, [dg.AssetKey("inspection_statistics")]): "upkeep",
        _submit(instance, []): "upkeep",
        _submit(instance, [], imageflow__line="map"): "map",
        _submit(instance, _MAP, imageflow__line="nonsense"): "map",
    }
    assert {run.run_id: run.tags[LINE_TAG] for run in instance.get_runs()} == wanted
    assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.QUEUED}


def test_runs_of_assets_that_nobody_knows_are_upkeep() -> None:
    assert line_of(_run([dg.AssetKey("something_else")])) is RunLine.UPKEEP


def test_a_batch_is_begun_beside_a_backfill_of_many_surveys(instance: dg.DagsterInstance) -> None:
    surveys = [_submit(instance, _MAP) for _ in range(20)]
    lines = runs_of_lines(Settings())
    assert _dequeued(instance) == surveys[: lines[RunLine.MAP]]
    days = [_submit(instance, [dg.AssetKey("inspection_statistics")]) for _ in range(20)]
    assert _dequeued(instance) == days[: lines[RunLine.UPKEEP]]
    batch = _submit(instance, _INSPECTION)
    assert _dequeued(instance) == [batch]


def test_a_survey_is_begun_beside_many_batches(instance: dg.DagsterInstance) -> None:
    batches = [_submit(instance, _INSPECTION) for _ in range(20)]
    assert _dequeued(instance) == batches[: runs_of_lines(Settings())[RunLine.INSPECTION]]
    survey = _submit(instance, _MAP)
    assert _dequeued(instance) == [survey]
