"""Find executions again: one with its steps, or a page of the history."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from imageflow_clients.database.executions import queue, rows
from imageflow_clients.database.executions.rows import Filter
from imageflow_clients.stores import Stores
from imageflow_domain.events import EventCursor
from imageflow_domain.executions import ExecutionRecord, StepFacts
from imageflow_domain.page import Page, cut
from imageflow_domain.texts import check_text

__all__ = ["Filter"]

_MOST_CHARS = 200


@dataclass(frozen=True, kw_only=True)
class ExecutionInFull:
    """An execution as it stood at one moment."""

    record: ExecutionRecord
    steps: Sequence[StepFacts]
    """Those that have begun, in the plan's order."""
    cursor: EventCursor
    """Of the newest event that it includes."""

    @property
    def is_end(self) -> bool:
        """Whether nothing changes any more."""
        return self.record.state.is_end


def get_execution(stores: Stores, execution: uuid.UUID) -> ExecutionInFull:
    """Return an execution with its steps; raise `NotFound`."""
    with stores.database.begin() as connection:
        record, steps, cursor = rows.get_in_full(connection, execution)
    return ExecutionInFull(record=record, steps=steps, cursor=cursor)


def get_record(stores: Stores, execution: uuid.UUID) -> ExecutionRecord:
    """Return an execution without its steps; raise `NotFound`."""
    with stores.database.begin() as connection:
        return rows.get(connection, execution)


def list_executions(
    stores: Stores, which: Filter, *, after: uuid.UUID | None = None, limit: int = 100
) -> Page[ExecutionRecord]:
    """Return executions, the newest first: those that were made before `after`; raise `InvalidInput` for no text."""
    check_text(which.client or "", "The client's name", most=_MOST_CHARS)
    check_text(which.error or "", "The words of an error", most=_MOST_CHARS)
    with stores.database.begin() as connection:
        found = rows.page(connection, which, after=after, limit=limit + 1)
    return cut(found, limit, lambda record: str(record.id))


def cancel_execution(stores: Stores, execution: uuid.UUID) -> ExecutionRecord:
    """Cancel one that waits at once; one that an engine works on is stopped by it, within two seconds.

    Raises `NotFound`, and `Conflict` for one that has completed or failed.
    """
    with stores.database.begin() as connection:
        rows.get(connection, execution)
        return queue.ask_to_cancel(connection, execution)
