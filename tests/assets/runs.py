"""Runs and sensor ticks of a Dagster instance, as its daemon would make them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from sqlalchemy import func, update

from imageflow_assets.definitions import build_defs, defs
from imageflow_assets.map.assets import BY_LAYER
from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.sensors import request_surveys
from imageflow_assets.map.states import surveys
from imageflow_assets.silence import SilenceWatch
from imageflow_clients.dagster import LOCATION
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.core.schema import run_heartbeats
from imageflow_clients.database.maps import layers, leases, schema
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.leases import Lease
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, DriverSpec, Layer, Survey, SurveyState
from imageflow_pipelines.engine import NoModels
from imageflow_surveys import states
from imageflow_surveys.runs import PARTITION_TAG
from tests.surveys.cities import city, planned


def add_partition(instance: dg.DagsterInstance, survey: Survey) -> None:
    instance.add_dynamic_partitions(str(SURVEYS.name), [survey.id])


def add_run(
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
    tags: dict[str, str] | None = None,
    *,
    age_s: float = 0,
    changed_ago_s: float | None = None,
    location: str | None = LOCATION,
) -> str:
    """Record a run as Dagster's launcher would have left it; return its id.

    Args:
        age_s: Since it was requested.
        changed_ago_s: Since its status changed; by default it has had it from its beginning.
        location: Of the code that it runs; none for a run within the process that requested it.
    """
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        run_id=str(uuid4()),
        status=status,
        tags=tags or {},
        remote_job_origin=None if location is None else _origin(location),
    )
    storage = instance.run_storage
    assert isinstance(storage, SqlRunStorage)
    storage.add_historical_run(run, datetime.now(UTC) - timedelta(seconds=age_s))
    changed = datetime.now(UTC) - timedelta(seconds=age_s if changed_ago_s is None else changed_ago_s)
    with storage.connect() as connection:
        connection.execute(
            update(RunsTable)
            .where(RunsTable.c.run_id == run.run_id)
            .values(update_timestamp=changed.replace(tzinfo=None))
        )
    return run.run_id


def _origin(location: str) -> RemoteJobOrigin:
    """Return what Dagster keeps no queued run without."""
    repository = RemoteRepositoryOrigin(
        code_location_origin=RegisteredCodeLocationOrigin(location), repository_name="__repository__"
    )
    return RemoteJobOrigin(repository_origin=repository, job_name="__ASSET_JOB")


def ended(instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus) -> str:
    """Record the requested run, as it ended."""
    partition = {} if request.partition_key is None else {PARTITION_TAG: request.partition_key}
    return add_run(instance, status, {**request.tags, **partition})


def succeed(instance: dg.DagsterInstance, run_id: str) -> None:
    """Let a run that goes on end well."""
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "__ASSET_JOB")
    instance.report_dagster_event(event, run_id)


def waiting(stores: Stores, save: str, **more: Any) -> Survey:
    """Plan a survey that the sensor is to request."""
    return planned(stores, city(save, **more), Carrier.SENSOR)


def begun(instance: dg.DagsterInstance, stores: Stores, request: dg.RunRequest, status: dg.DagsterRunStatus) -> str:
    """Record the run of a request which took its survey's lease, made nothing, and ended."""
    run_id = ended(instance, request, status)
    take_lease(stores, states.read(stores, str(request.partition_key)), run_id)
    return run_id


def take_lease(stores: Stores, survey: Survey, run_id: str) -> None:
    with stores.database.begin() as connection:
        done = layers.progress(connection, survey.id).tasks_done + layers.shots(connection, survey.id).taken
        leases.take(
            connection,
            Lease(survey_id=survey.id, run_id=run_id, root_run_id=run_id, again=False, reopened=(), done_before=done),
        )
        rows.set_state(connection, survey.id, SurveyState.RUNNING)


def failures(stores: Stores, survey: Survey) -> int:
    with stores.database.begin() as connection:
        return layers.progress(connection, survey.id).failures


def with_driver(stores: Stores, survey: Survey, driver: DriverSpec) -> Survey:
    """Spoil a survey's driver, as a game that was uninstalled since spoils it."""
    spec = survey.spec.model_copy(update={"driver": driver})
    with stores.database.begin() as connection:
        connection.execute(
            update(schema.surveys).where(schema.surveys.c.id == survey.id).values(spec=spec.model_dump(mode="json"))
        )
    return states.read(stores, survey.id)


def beat(stores: Stores, name: str, *, ago_s: float) -> None:
    """Let a worker or a command line have given its last sign of life so long ago."""
    table = run_heartbeats
    with stores.database.begin() as connection:
        heartbeats.beat(connection, name)
        connection.execute(
            update(table).where(table.c.run_id == name).values(seen_at=func.now() - timedelta(seconds=ago_s))
        )


def age(stores: Stores, survey: Survey, seconds: float) -> None:
    """Let a survey have been registered so long ago."""
    table = schema.surveys
    with stores.database.begin() as connection:
        connection.execute(
            update(table).where(table.c.id == survey.id).values(created_at=func.now() - timedelta(seconds=seconds))
        )


def tick(
    instance: dg.DagsterInstance, stores: Stores, silence_watch: SilenceWatch | None = None
) -> list[dg.RunRequest]:
    """Evaluate `request_surveys` once, as the daemon does every second; return the runs that it requests."""
    result = evaluate(request_surveys, instance, stores, silence_watch=silence_watch or SilenceWatch())
    assert isinstance(result, dg.SensorResult)
    return list(result.run_requests or ())


def evaluate(
    sensor: dg.SensorDefinition,
    instance: dg.DagsterInstance,
    stores: Stores,
    cursor: str | None = None,
    **others: object,
) -> Any:
    """Evaluate a sensor once, with other resources in place of the usual ones."""
    usual = {"stores": stores, "models": NoModels(), "silence_watch": SilenceWatch(), "settings": Settings()}
    resources = {**usual, **others}
    needed = {name: resources[name] for name in sensor.required_resource_keys}
    with dg.build_sensor_context(instance=instance, definitions=defs, resources=needed, cursor=cursor) as context:
        return sensor(context)


@lru_cache(maxsize=1)
def _definitions(stores: Stores, settings: Settings) -> dg.Definitions:
    """Return the definitions of a process whose runs use these stores: it builds them once, as a code location does."""
    return build_defs(resources={"stores": stores, "settings": settings, "models": NoModels()})


def execute(instance: dg.DagsterInstance, stores: Stores, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """Do what a run request asks for, in this process."""
    return (
        _definitions(stores, Settings())
        .resolve_job_def(request.job_name or "__ASSET_JOB")
        .execute_in_process(
            instance=instance,
            asset_selection=None if request.asset_selection is None else list(request.asset_selection),
            partition_key=request.partition_key,
            run_config=dict(request.run_config or {}),
            tags=dict(request.tags),
            raise_on_error=False,
        )
    )


def materialise(
    instance: dg.DagsterInstance,
    stores: Stores,
    survey: Survey,
    *only: Layer,
    config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    """Materialise assets of a survey in this process, as a person does in Dagster's UI; all six where none is named."""
    add_partition(instance, survey)
    return (
        _definitions(stores, Settings())
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=instance,
            asset_selection=[BY_LAYER[layer].key for layer in only or tuple(Layer)],
            partition_key=survey.id,
            run_config={"ops": dict(config or {})},
            tags=dict(tags or {}),
            raise_on_error=False,
        )
    )


def shown_states(instance: dg.DagsterInstance, survey: str) -> list[object]:
    """Return the states of a survey that were reported to Dagster, newest first."""
    found = instance.fetch_materializations(dg.AssetRecordsFilter(surveys.key, [survey]), limit=100).records
    return [each.asset_materialization.metadata["state"].value for each in found if each.asset_materialization]


def told(result: dg.ExecuteInProcessResult) -> str:
    """Return what the one step that failed says to the user."""
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    return str(said.description)
