"""The beginning of executions: a row, its idempotency key, and its place in the queue or its lease."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from imageflow_clients.database.core import events
from imageflow_clients.database.executions.queue import BONUS, CHANNEL, LEASE
from imageflow_domain.execution_events import state_changed
from imageflow_domain.executions import (
    ExecutionRecord,
    ExecutionRequest,
    ExecutionState,
    FrameCounts,
    ImageObject,
)


@dataclass(frozen=True, kw_only=True)
class RequestKey:
    """An idempotency key of a principal."""

    key: str
    digest: str
    """Of what was asked with it."""


def add(
    connection: Connection,
    execution: UUID,
    request: ExecutionRequest,
    inputs: Mapping[str, ImageObject],
    *,
    estimate_s: float | None = None,
    engine: str | None = None,
    key: RequestKey | None = None,
    frames: FrameCounts | None = None,
) -> ExecutionRecord | None:
    """Insert an execution; return `None`, and insert nothing, where the key is that of another one.

    Args:
        connection: In a transaction.
        execution: Its id.
        request: What was asked.
        inputs: Stored already.
        estimate_s: How long it is expected to take.
        engine: The one that begins it at once, and has its lease; `None` where it waits.
        key: Under which it is found again.
        frames: Of a camera stream.
    """
    name, _, version = request.pipeline.partition("@")
    row = connection.execute(
        _ADD,
        {
            "id": execution,
            "pipeline": name,
            "version": int(version),
            "spec": None if request.spec is None else json.dumps(request.spec),
            "parameters": json.dumps({step: dict(given) for step, given in request.parameters.items()}),
            "priority": request.priority,
            "principal": request.principal,
            "client": request.client,
            "correlation": request.correlation,
            "protocol": request.protocol,
            "runner": request.runner,
            "inputs": json.dumps({name: asdict(each) for name, each in inputs.items()}),
            "frames": None if frames is None else json.dumps(asdict(frames)),
            "estimate": None if estimate_s is None else timedelta(seconds=estimate_s),
            "engine": engine,
            "lease": LEASE,
            "bonus": BONUS[request.priority],
            "key": key and key.key,
            "digest": key and key.digest,
            "channel": CHANNEL,
        },
    ).one_or_none()
    if row is None:
        return None
    is_begun = engine is not None
    events.append(connection, state_changed(execution, ExecutionState.QUEUED, attempt=0))
    if is_begun:
        events.append(connection, state_changed(execution, ExecutionState.RUNNING, attempt=1))
    return ExecutionRecord(
        id=execution,
        request=request,
        state=ExecutionState.RUNNING if is_begun else ExecutionState.QUEUED,
        attempt=int(is_begun),
        failures=0,
        inputs=inputs,
        outputs={},
        error=None,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=None,
        estimated_end_at=row.estimated_end_at,
        frames=frames,
    )


_ADD = text("""
    WITH keyed AS (
        INSERT INTO execution_keys (principal, key, execution_id, request_digest)
            SELECT :principal, CAST(:key AS text), :id, CAST(:digest AS text) WHERE CAST(:key AS text) IS NOT NULL
        ON CONFLICT DO NOTHING RETURNING 1
    ), added AS (
        INSERT INTO executions (id, pipeline, version, spec, parameters, priority, principal, client, correlation,
                                protocol, runner, state, attempt, started_at, inputs, frames, estimated_end_at)
            SELECT :id, :pipeline, :version, CAST(CAST(:spec AS text) AS jsonb), CAST(:parameters AS jsonb), :priority,
                   :principal, :client, :correlation, :protocol, :runner,
                   CASE WHEN is_begun THEN 'running' ELSE 'queued' END, CASE WHEN is_begun THEN 1 ELSE 0 END,
                   CASE WHEN is_begun THEN clock_timestamp() END,
                   CAST(:inputs AS jsonb), CAST(CAST(:frames AS text) AS jsonb), now() + CAST(:estimate AS interval)
            FROM (SELECT CAST(:engine AS text) IS NOT NULL AS is_begun) AS given
            WHERE CAST(:key AS text) IS NULL OR EXISTS (SELECT FROM keyed)
        RETURNING id, attempt, created_at, started_at, estimated_end_at
    ), leased AS (
        INSERT INTO execution_leases (execution_id, engine, attempt, until, due)
            SELECT id, CAST(:engine AS text), attempt, now() + CAST(:lease AS interval),
                   now() - CAST(:bonus AS interval)
            FROM added WHERE attempt > 0
    ), waiting AS (
        INSERT INTO execution_queue (execution_id, due, runner)
            SELECT id, now() - CAST(:bonus AS interval), :runner FROM added WHERE attempt = 0
        RETURNING runner
    )
    SELECT created_at, started_at, estimated_end_at,
           (SELECT pg_notify(:channel, '') FROM waiting WHERE runner = 'engine') AS woken
    FROM added
""")
