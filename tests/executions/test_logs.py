"""Log lines of executions: all of them, in order, the first in the database and the others in the object store."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, aclosing
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from anyio import to_thread
from sqlalchemy import text
from typing_extensions import override

from imageflow_clients.database.core import events
from imageflow_clients.database.executions import logs
from imageflow_clients.database.executions.logs import LogChunk
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NotFound, StoreUnavailable
from imageflow_domain.events import BEGINNING
from imageflow_domain.execution_events import LOGGED, subject_of
from imageflow_domain.execution_logs import BEGINNING_OF_LOG, ExecutionLine, LogCursor
from imageflow_domain.executions import ExecutionState, new_id
from imageflow_domain.step_scope import LogLine
from imageflow_edge.hub import Hub
from imageflow_edge.log_tail import log_tail
from imageflow_engine.resident import Resident
from imageflow_executions import log_book
from imageflow_executions.history import cancel_execution
from imageflow_executions.log_book import LogBook
from imageflow_executions.logs import LogPage, read_log
from imageflow_executions.upkeep import sweep_objects
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.execution import Execution
from imageflow_pipelines.plan import Plan
from tests.executions.starts import WITHIN_S, ended, hanging, logged, started, until_running

Running = Callable[..., AbstractContextManager[Resident]]


def talkative(*texts: str) -> type[Engine]:
    """Return an engine whose executions log lines in their first step."""

    class Talkative(Engine):
        @override
        def run(self, plan: Plan, sources: Mapping[str, bytes], *, log: Any = None, **options: Any) -> Execution:
            for each in texts:
                log("decode", LogLine.now("info", each))
            return super().run(plan, sources, log=log, **options)

    return Talkative


def all_lines(stores: Stores, execution: Any, *, limit: int = 1_000) -> list[ExecutionLine]:
    found: list[ExecutionLine] = []
    page = read_log(stores, execution, limit=limit)
    while page.lines:
        found += page.lines
        page = read_log(stores, execution, after=page.lines[-1].cursor, limit=limit)
    return found


def until_logged(stores: Stores, execution: Any, words: str) -> None:
    until = time.monotonic() + WITHIN_S
    while words not in [line.text for line in all_lines(stores, execution)]:
        assert time.monotonic() < until, f"'{words}' was never logged"
        time.sleep(0.02)


def log_objects(stores: Stores) -> set[str]:
    return {each.key for each in stores.objects.list("executions") if "/log-lines/" in each.key}


def test_lines_are_read_in_order_and_those_beyond_the_bound_from_objects(stores: Stores, running: Running) -> None:
    texts = [f"line {number}" for number in range(2_500)]
    with running(kind=talkative(*texts), log_lines=10):
        record = ended(stores, started(stores).id).record
    assert record.state is ExecutionState.COMPLETED
    for limit in (7, 1_000):
        lines = all_lines(stores, record.id, limit=limit)
        assert [line.text for line in lines] == texts
        assert [line.cursor for line in lines] == [LogCursor(attempt=1, number=1 + each) for each in range(2_500)]
    assert {line.step for line in lines} == {"decode"}
    with stores.database.begin() as connection:
        kept = connection.execute(
            text("SELECT sum(jsonb_array_length(lines)) FROM execution_logs WHERE execution_id = :id"),
            {"id": record.id},
        ).scalar_one()
    assert kept == 10
    objects = log_objects(stores)
    assert len(objects) == 3
    sweep_objects(stores, grace=record.created_at - record.created_at)
    assert log_objects(stores) == objects


def test_a_page_says_whether_there_are_more_and_whether_they_are_the_last(stores: Stores) -> None:
    record = started(stores)
    logged(stores, record, "one", "two", "three", attempt=1)
    first = read_log(stores, record.id, limit=2)
    assert ([line.text for line in first.lines], first.has_more, first.is_end) == (["one", "two"], True, False)
    rest = read_log(stores, record.id, after=first.lines[-1].cursor, limit=2)
    assert ([line.text for line in rest.lines], rest.has_more, rest.is_end) == (["three"], False, False)
    cancel_execution(stores, record.id)
    assert read_log(stores, record.id, after=rest.lines[-1].cursor) == LogPage(lines=(), has_more=False, is_end=True)
    with pytest.raises(NotFound):
        read_log(stores, new_id())


def test_the_same_lines_are_written_once_however_they_are_joined(stores: Stores) -> None:
    record = started(stores)
    logged(stores, record, "one", "two", attempt=1)
    logged(stores, record, "one", attempt=1)
    logged(stores, record, "two", first=2, attempt=1)
    logged(stores, record, "three", first=3, attempt=1)
    assert [line.text for line in all_lines(stores, record.id)] == ["one", "two", "three"]
    with stores.database.begin() as connection:
        log = events.read_subject(connection, subject_of(record.id), after=BEGINNING, limit=100)
    assert [one.event.data["last"] for one in log if one.event.kind == LOGGED] == [2, 3]
    cancel_execution(stores, record.id)


def test_lines_of_an_attempt_that_was_lost_are_not_written(stores: Stores) -> None:
    record = started(stores)
    chunk = LogChunk(execution=record.id, attempt=1, first=1, last=1, key="executions/nothing")
    with stores.database.begin() as connection:
        logs.write(connection, {record.id: 2}, [chunk])
        logs.write(connection, {}, [chunk])
    assert read_log(stores, record.id).lines == ()
    cancel_execution(stores, record.id)


def test_of_too_many_lines_only_the_number_is_logged(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_book, "MOST_LINES", 3)
    chunks: list[LogChunk] = []
    with LogBook(stores, started(stores), chunks.append) as book:
        for number in range(5):
            book.write("decode", LogLine.now("info", str(number)))
    texts = [line.text for chunk in chunks for line in chunk.lines]
    assert texts[:3] == ["0", "1", "2"]
    assert texts[3].startswith("2 lines were left out")


class _NoStore:
    def put(self, key: str, data: bytes) -> None:
        raise StoreUnavailable(f"No store for {key}: {len(data)} bytes.")


def test_lines_that_the_object_store_does_not_take_are_counted_and_the_numbers_have_no_gap(stores: Stores) -> None:
    chunks: list[LogChunk] = []
    away: Any = replace(stores, objects=_NoStore())
    with LogBook(away, started(stores), chunks.append, lines_in_database=2) as book:
        for number in range(5):
            book.write("decode", LogLine.now("info", str(number)))
    assert [(chunk.first, chunk.last) for chunk in chunks] == [(1, 1), (2, 2)]


def test_a_line_is_cut_and_keeps_no_sign_that_a_database_refuses(stores: Stores) -> None:
    chunks: list[LogChunk] = []
    with LogBook(stores, started(stores), chunks.append) as book:
        book.write("decode", LogLine.now("info", "a\0b\ud800" + "x" * 5_000))
    (line,) = chunks[0].lines
    assert line.text.startswith("ab?")
    assert len(line.text) < 2_001


@pytest.fixture
def tailed(stores: Stores) -> Callable[..., list[str]]:
    """Follow the log of an execution in another thread, and return the texts once it has ended."""

    def follow(execution: Any, do: Callable[[], None]) -> list[str]:
        texts: list[str] = []

        async def tail() -> None:
            hub = Hub(stores.database)

            async def read(after: LogCursor) -> LogPage:
                return await to_thread.run_sync(partial(read_log, stores, execution, after=after, limit=3))

            async with aclosing(log_tail(hub, execution, read, after=BEGINNING_OF_LOG, beat_s=60)) as pages:
                async for page in pages:
                    texts.extend(line.text for line in (page.lines if page is not None else ()))
            hub.close()

        thread = threading.Thread(target=lambda: asyncio.run(asyncio.wait_for(tail(), 60)))
        thread.start()
        do()
        thread.join()
        return texts

    return follow


def test_a_follower_gets_every_line_once_and_ends_with_the_execution(
    stores: Stores, running: Running, tailed: Callable[..., list[str]]
) -> None:
    texts = [str(number) for number in range(25)]
    record = started(stores)

    def execute() -> None:
        with running(kind=talkative(*texts), log_lines=5):
            ended(stores, record.id)

    assert tailed(record.id, execute) == texts


def test_a_follower_of_an_attempt_that_begins_again_gets_the_lines_of_both(
    stores: Stores, running: Running, tailed: Callable[..., list[str]]
) -> None:
    record = started(stores, hanging())

    def execute() -> None:
        with running(kind=talkative("first"), grace_s=0.1):
            until_running(stores, record.id, "decode")
        with running(kind=talkative("second")):
            until_logged(stores, record.id, "second")
            cancel_execution(stores, record.id)
            ended(stores, record.id)

    assert tailed(record.id, execute) == ["first", "second"]
