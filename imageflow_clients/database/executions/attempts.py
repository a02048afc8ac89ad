"""What an attempt at an execution writes, only while an engine holds it: changes of steps, and its end.

All changes of a batch are one statement: executions wait for its commit.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, text

from imageflow_clients.database.core import events
from imageflow_clients.database.executions.queue import ENDS
from imageflow_domain.execution_events import state_changed, step_changed
from imageflow_domain.executions import ExecutionError, ExecutionRecord, ExecutionState, ImageObject, StepFacts


@dataclass(frozen=True, kw_only=True)
class StepChange:
    """A step of an execution that began or ended."""

    execution: uuid.UUID
    attempt: int
    facts: StepFacts
    is_end: bool


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an attempt at an execution ended."""

    record: ExecutionRecord
    state: ExecutionState
    outputs: Mapping[str, ImageObject | None] = field(default_factory=dict)
    error: ExecutionError | None = None


def write(
    connection: Connection, changes: Sequence[StepChange], endings: Sequence[Ending] = ()
) -> Mapping[uuid.UUID, ExecutionRecord]:
    """Write changes of steps, then ends of executions, with their events; return the executions that ended.

    What belongs to an attempt that has no lease any more is left out, and so is the cancellation of an execution that
    is not to be cancelled: an engine also stops what it lost, or what it gives back. The same changes again write
    nothing: a transaction whose end is unknown may be repeated.

    Args:
        connection: In a transaction.
        changes: In their order.
        endings: One of each execution at most.
    """
    # The last one of each step is its row; the events of all are logged where that row is new.
    newest = {(change.execution, change.facts.step): change for change in changes}
    executions = {change.execution for change in changes} | {each.record.id for each in endings}
    rows = connection.execute(
        _WRITE,
        {"channel": ENDS, "executions": list(executions)} | _columns(list(newest.values())) | _ending_columns(endings),
    ).all()
    written = {(row.execution_id, row.step) for row in rows}
    for change in changes:
        if (change.execution, change.facts.step) in written:
            events.append(connection, step_changed(change.execution, change.facts, attempt=change.attempt))
    times = {row.execution_id: row for row in rows if row.step is None}
    ended = {}
    for each in endings:
        if (row := times.get(each.record.id)) is not None:
            attempt = each.record.attempt
            events.append(connection, state_changed(each.record.id, each.state, attempt=attempt, error=each.error))
            ended[each.record.id] = replace(
                each.record,
                state=each.state,
                outputs=each.outputs,
                error=each.error,
                started_at=row.started_at,
                ended_at=row.ended_at,
            )
    return ended


def _columns(changes: Sequence[StepChange]) -> dict[str, list[Any]]:
    return {
        "step_executions": [change.execution for change in changes],
        "step_attempts": [change.attempt for change in changes],
        "steps": [change.facts.step for change in changes],
        "places": [change.facts.place for change in changes],
        "ranks": [int(change.is_end) for change in changes],
        "statuses": [change.facts.status for change in changes],
        "started_s": [change.facts.started_s for change in changes],
        "seconds": [change.facts.seconds for change in changes],
        "tries": [json.dumps([dict(each) for each in change.facts.tries]) for change in changes],
    }


def _ending_columns(endings: Sequence[Ending]) -> dict[str, list[Any]]:
    outputs = [{name: each and asdict(each) for name, each in ending.outputs.items()} for ending in endings]
    return {
        "ended": [ending.record.id for ending in endings],
        "ended_attempts": [ending.record.attempt for ending in endings],
        "states": [ending.state for ending in endings],
        "outputs": list(map(json.dumps, outputs)),
        "error_codes": [ending.error and ending.error.code for ending in endings],
        "errors": [ending.error and ending.error.message for ending in endings],
        "error_steps": [ending.error and (ending.error.step or None) for ending in endings],
    }


# Leases are locked by id, as those that their engine renews meanwhile, and each before its execution.
_WRITE = text("""
    WITH held AS MATERIALIZED (
        SELECT execution_id, attempt FROM execution_leases
        WHERE execution_id = ANY(CAST(:executions AS uuid[])) ORDER BY execution_id FOR UPDATE
    ), changed AS (
        INSERT INTO execution_steps AS kept
                (execution_id, step, place, attempt, rank, status, started_s, seconds, tries)
            SELECT execution_id, step, place, attempt, rank, status, started_s, seconds, tries::jsonb
            FROM unnest(CAST(:step_executions AS uuid[]), CAST(:step_attempts AS integer[]), CAST(:steps AS text[]),
                        CAST(:places AS integer[]), CAST(:ranks AS smallint[]), CAST(:statuses AS text[]),
                        CAST(:started_s AS float8[]), CAST(:seconds AS float8[]), CAST(:tries AS text[]))
                AS given (execution_id, attempt, step, place, rank, status, started_s, seconds, tries)
            JOIN held USING (execution_id, attempt)
        ON CONFLICT (execution_id, step) DO UPDATE
            SET attempt = excluded.attempt, rank = excluded.rank, status = excluded.status,
                started_s = excluded.started_s, seconds = excluded.seconds, tries = excluded.tries
            WHERE (kept.attempt, kept.rank) < (excluded.attempt, excluded.rank)
        RETURNING execution_id, step
    ), ended AS (
        UPDATE executions
        SET state = given.state, outputs = given.outputs::jsonb, ended_at = clock_timestamp(),
            error_code = given.error_code, error = given.error, error_step = given.error_step
        FROM unnest(CAST(:ended AS uuid[]), CAST(:ended_attempts AS integer[]), CAST(:states AS text[]),
                    CAST(:outputs AS text[]), CAST(:error_codes AS text[]), CAST(:errors AS text[]),
                    CAST(:error_steps AS text[]))
            AS given (execution_id, attempt, state, outputs, error_code, error, error_step)
        JOIN held USING (execution_id, attempt)
        WHERE executions.id = given.execution_id AND executions.id = ANY(CAST(:ended AS uuid[]))
            AND executions.attempt = given.attempt AND executions.state = 'running'
            AND (given.state <> 'cancelled' OR executions.cancel_asked_at IS NOT NULL)
        RETURNING executions.id, executions.started_at, executions.ended_at, pg_notify(:channel, executions.id::text)
    ), released AS (
        DELETE FROM execution_leases USING ended WHERE execution_leases.execution_id = ended.id
    )
    SELECT execution_id, step, NULL::timestamptz AS started_at, NULL::timestamptz AS ended_at FROM changed
    UNION ALL SELECT id, NULL, started_at, ended_at FROM ended
""")
