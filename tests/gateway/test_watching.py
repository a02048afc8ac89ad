"""Reading surveys for the pages that watch them: how often, for how many, and what a fault does."""

import threading
import time
from collections.abc import Collection
from itertools import pairwise
from typing import Any

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import event

from imageflow_clients.database.maps import attempts
from imageflow_clients.stores import Stores
from imageflow_domain.errors import TooManyRequests
from imageflow_domain.survey import Carrier, Layer, Survey
from imageflow_edge.hub import Hub
from imageflow_gateway.capacity import Capacity
from imageflow_gateway.dagster_links import DagsterLinks
from imageflow_gateway.live.watching import Watching
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.plan import plan_survey
from tests.gateway.test_events import PATIENCE_S, running, spec_of

__all__ = ["running"]


def test_a_survey_that_is_slow_to_read_delays_no_other(stores: Stores, running: Survey) -> None:
    slow = plan_survey(stores, spec_of("slow"), Carrier.OPERATOR)
    watching = Watching(stores, Capacity(), Hub(stores.database))
    links = DagsterLinks(base_url="http://d")
    is_slow, goes_on = threading.Event(), threading.Event()
    asked: list[str] = []

    def wait(*execution: Any) -> None:
        _, _, statement, parameters, *_ = execution
        if is_slow.is_set() and slow.id in str(parameters):
            asked.append(statement)
            goes_on.wait(PATIENCE_S)

    async def watch() -> str:
        waits = await watching.subscribe(slow.id, links, None)
        stream = await watching.subscribe(running.id, links, None)
        assert waits is not None
        assert stream is not None
        await anext(waits)
        await anext(stream)
        is_slow.set()
        until = time.monotonic() + PATIENCE_S
        while not asked:
            assert time.monotonic() < until, "the slow one was not read"
            await anyio.sleep(0.05)
        await anyio.to_thread.run_sync(capture_blocks, stores, running, running.blocks()[:1])
        with anyio.fail_after(PATIENCE_S / 2):
            told = (await anext(stream)).decode()
        assert len(asked) == 1, "a survey is read by one at a time"
        goes_on.set()
        for one in (stream, waits):
            await one.aclose()
        watching.close()
        return told

    engine = stores.database.engine
    event.listen(engine, "before_cursor_execute", wait)
    try:
        told = anyio.run(watch)
    finally:
        event.remove(engine, "before_cursor_execute", wait)
    assert "event: progress" in told


def test_quiet_connections_are_kept_open_by_comments(stores: Stores, running: Survey) -> None:
    watching = Watching(stores, Capacity(), Hub(stores.database), beat_s=0.2)
    links = DagsterLinks(base_url="http://d")

    async def watch() -> list[str]:
        streams = [await watching.subscribe(running.id, links, None) for _ in range(2)]
        got: list[str] = []
        for stream in streams:
            assert stream is not None
            with anyio.fail_after(PATIENCE_S):
                got += [(await anext(stream)).decode() for _ in range(3)]
        await anyio.to_thread.run_sync(capture_blocks, stores, running, running.blocks()[:1])
        for stream in streams:
            assert stream is not None
            with anyio.fail_after(PATIENCE_S):
                while not (await anext(stream)).startswith(b"id:"):
                    pass
            await stream.aclose()
        watching.close()
        return got

    assert [line.startswith(": ") for line in anyio.run(watch)] == [False, True, True] * 2


def test_a_fault_while_events_are_followed_ends_no_stream(stores: Stores, running: Survey) -> None:
    watching = Watching(stores, Capacity(), Hub(stores.database))
    faults: list[str] = []

    def fail_once(*execution: Any) -> None:
        _, _, statement, *_ = execution
        if "FROM event_subjects" in statement and not faults:
            faults.append(statement)
            raise RuntimeError("It is broken.")

    async def watch() -> str:
        stream = await watching.subscribe(running.id, DagsterLinks(base_url="http://d"), None)
        assert stream is not None
        await anext(stream)
        until = time.monotonic() + PATIENCE_S
        while not faults:
            assert time.monotonic() < until, "nothing failed"
            await anyio.sleep(0.05)
        await anyio.to_thread.run_sync(capture_blocks, stores, running, running.blocks()[:1])
        with anyio.fail_after(PATIENCE_S / 2):
            told = (await anext(stream)).decode()
        await stream.aclose()
        watching.close()
        return told

    engine = stores.database.engine
    event.listen(engine, "before_cursor_execute", fail_once)
    try:
        assert "event: progress" in anyio.run(watch)
    finally:
        event.remove(engine, "before_cursor_execute", fail_once)


def test_more_pages_than_may_watch_are_refused_until_one_is_closed(stores: Stores, running: Survey) -> None:
    watching = Watching(stores, Capacity(watchers=1), Hub(stores.database))
    links = DagsterLinks(base_url="http://d")

    async def watch() -> None:
        stream = await watching.subscribe(running.id, links, None)
        assert stream is not None
        await anext(stream)
        with pytest.raises(TooManyRequests, match="1 pages watch surveys here already: close some"):
            await watching.subscribe(running.id, links, None)
        await stream.aclose()
        assert await watching.subscribe(running.id, links, None) is not None
        watching.close()

    anyio.run(watch)


def test_a_survey_that_takes_long_to_read_is_read_less_often(stores: Stores, running: Survey) -> None:
    reads = _reads_of(stores, running, slow=set(range(4)))
    # the first one was the client's own; something happens all the time
    assert all(later - earlier >= 5 * SLOW_S for earlier, later in pairwise(reads[1:]))


def test_one_slow_read_among_quick_ones_delays_no_further_read(stores: Stores, running: Survey) -> None:
    reads = _reads_of(stores, running, slow={2})
    assert reads[3] - reads[2] < 4 * SLOW_S


SLOW_S = 0.5


def _reads_of(stores: Stores, survey: Survey, *, slow: Collection[int]) -> list[float]:
    """Return when a watched survey, which changes all the time, was read four times; the numbered reads are slow."""
    watching = Watching(stores, Capacity(), Hub(stores.database))
    reads: list[float] = []

    def delay(*execution: Any) -> None:
        _, _, statement, parameters, *_ = execution
        if "FROM attempts" in statement and survey.id in str(parameters):
            reads.append(time.monotonic())
            if len(reads) - 1 in slow:
                time.sleep(SLOW_S)

    async def watch() -> None:
        stream = await watching.subscribe(survey.id, DagsterLinks(base_url="http://d"), None)
        assert stream is not None
        await anext(stream)
        until = time.monotonic() + PATIENCE_S
        while len(reads) < 4:
            assert time.monotonic() < until, "it is read no more"
            await anyio.to_thread.run_sync(begin_a_block)
            await anyio.sleep(0.05)
        await stream.aclose()
        watching.close()

    def begin_a_block() -> None:
        with stores.database.begin() as connection:
            attempts.begin(connection, survey.id, Layer.SCREENSHOTS, survey.blocks()[0], "run-1")

    engine = stores.database.engine
    event.listen(engine, "before_cursor_execute", delay)
    try:
        anyio.run(watch)
    finally:
        event.remove(engine, "before_cursor_execute", delay)
    return reads
