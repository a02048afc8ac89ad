"""Batches of lids as clients upload them, and the ticks and runs that follow."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from imageflow_assets.inspection.sensors import inspect_uploads
from imageflow_clients.database.inspection import batches
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Batch
from imageflow_inspection.manifests import close_batch
from tests.assets.runs import ended, evaluate, execute
from tests.inspection.lids import upload

SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
CANCELED, STARTED = dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.STARTED


def put(stores: Stores, name: str, pictures: Sequence[bytes], *, now: datetime | None = None) -> None:
    """Upload a batch of lids, and close it by a manifest."""
    upload(stores, "lid", name, pictures)
    close_batch(stores, "lid", name, now=now or datetime.now(UTC))


def tick(
    instance: dg.DagsterInstance, stores: Stores, cursor: str | None = None
) -> tuple[list[dg.RunRequest], str | None]:
    """Evaluate the sensor of uploads once; return what it asks for, and its cursor."""
    result = evaluate(inspect_uploads, instance, stores, cursor)
    return list(result.run_requests or ()), result.cursor


def asked(instance: dg.DagsterInstance, stores: Stores) -> list[dg.RunRequest]:
    return tick(instance, stores)[0]


def keys(requests: Sequence[dg.RunRequest]) -> list[str | None]:
    return [request.run_key for request in requests]


def inspect(instance: dg.DagsterInstance, stores: Stores, name: str, pictures: Sequence[bytes]) -> Batch:
    """Upload a batch and do the one run that it becomes."""
    put(stores, name, pictures)
    (request,) = asked(instance, stores)
    assert execute(instance, stores, request).success
    return latest(stores, name)


def latest(stores: Stores, name: str) -> Batch:
    with stores.database.begin() as connection:
        return batches.latest(connection, "lid", name)


def shown(instance: dg.DagsterInstance, asset: str) -> dict[str, Any]:
    """Return what the newest materialisation of an asset shows; tables as their rows."""
    (record,) = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    assert record.asset_materialization is not None
    return {
        name: [row.data for row in value.records] if isinstance(value, dg.TableMetadataValue) else value.value
        for name, value in record.asset_materialization.metadata.items()
    }


__all__ = ["asked", "ended", "execute", "inspect", "keys", "latest", "put", "shown", "tick"]
