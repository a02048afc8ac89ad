"""Executions that runs of Dagster execute: which wait for a run, how a run executes one, and what fails without one.

To clients they are as any other: the same states, steps, log lines, results and cancellation.
"""

import threading
import uuid
from dataclasses import dataclass

from imageflow_clients.database.executions import queue, rows
from imageflow_clients.stores import Stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Conflict
from imageflow_domain.executions import ExecutionError, ExecutionRecord, Priority
from imageflow_domain.texts import storable
from imageflow_executions.execute import Executor
from imageflow_executions.held_executions import HeldExecutions
from imageflow_executions.history import cancel_execution
from imageflow_executions.journal import Journal
from imageflow_executions.leases import requeue_expired, take_handed_over
from imageflow_pipelines.engine import Engine

MOST_RUNS = 3
"""That end before they take their execution, until it fails."""

_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class HandedOver:
    """An execution that waits for a run."""

    execution: uuid.UUID
    attempt: int
    """How often a run has taken it."""
    priority: Priority

    @property
    def key(self) -> str:
        """What all runs of its next attempt have in common."""
        return f"{self.execution}/{self.attempt + 1}"


def list_handed_over(stores: Stores) -> tuple[HandedOver, ...]:
    """Return executions that wait for a run, those of lost runs among them."""
    requeue_expired(stores)
    with stores.database.begin() as connection:
        found = queue.waiting_for_dagster(connection, limit=_AT_ONCE)
    return tuple(
        HandedOver(execution=execution, attempt=attempt, priority=priority) for execution, attempt, priority in found
    )


def execute_handed_over(
    stores: Stores,
    execution: uuid.UUID,
    engine: Engine,
    *,
    run: str,
    cancellation: Cancellation,
    log_lines: int,
) -> ExecutionRecord:
    """Execute an execution to its end, unless another run has taken it; return it as it is then.

    Args:
        stores: Where everything is.
        execution: Its id.
        engine: Runs its plan.
        run: Id of the run.
        cancellation: Thrown where the run is cancelled: the execution is cancelled then.
        log_lines: Of an attempt, in the database.

    Raises `NotFound`, and `Cancelled` where the run was cancelled before it took the execution.
    """
    cancellation.check()
    record = take_handed_over(stores, run, execution)
    if record is not None:
        with (
            Journal(stores, run) as journal,
            HeldExecutions(stores, run) as held,
            held.holding(execution) as own,
            cancellation.interrupting(lambda: _cancel_soon(stores, execution, own)),
        ):
            Executor(stores, engine, journal, run, log_lines=log_lines).execute(record, own)
    with stores.database.begin() as connection:
        return rows.get(connection, execution)


def give_up(stores: Stores, execution: uuid.UUID, why: str) -> bool:
    """Let an execution fail whose runs all ended before they took it; return whether it still waited."""
    error = ExecutionError(code="RUN_FAILED", message=storable(why))
    with stores.database.begin() as connection:
        return queue.fail_waiting(connection, execution, error)


def _cancel_soon(stores: Stores, execution: uuid.UUID, own: Cancellation) -> None:
    def cancel() -> None:
        try:
            cancel_execution(stores, execution)
        except Conflict:  # it has just ended
            return
        own.cancel("The run was cancelled.")

    threading.Thread(target=cancel, name="imageflow-cancel").start()
