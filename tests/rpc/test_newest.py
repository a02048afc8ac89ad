"""Turns of which each client's newest wins."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from imageflow_domain.errors import Superseded, Timeout, TooManyRequests
from imageflow_engine.rpc.newest import Newest, Turn
from imageflow_engine.rpc.stoppable import on_thread

WITHIN_S = 20.0


def newest(**options: Any) -> Newest:
    return Newest(**{"at_once": 2, "most": 10, "longest_s": 30.0, **options})


def until_stopped(turn: Turn) -> Callable[[], None]:
    """Return work that ends only when its turn is stopped."""
    return lambda: turn.stop.wait(WITHIN_S)


async def hang(turns: Newest, client: str) -> None:
    async with turns.turn(client) as turn:
        await on_thread(until_stopped(turn), turn.stop)
        raise AssertionError("it was not stopped")


async def quick(turns: Newest, client: str) -> str:
    async with turns.turn(client) as turn:
        return await on_thread(lambda: client, turn.stop)


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), WITHIN_S))


def test_the_newest_request_of_a_client_wins_and_older_ones_end_at_once() -> None:
    async def body() -> None:
        turns = newest()
        older = [asyncio.create_task(hang(turns, "a")) for _ in range(5)]
        await asyncio.sleep(0.1)
        begun_s = time.monotonic()
        assert await quick(turns, "a") == "a"
        assert time.monotonic() - begun_s < 1
        for each in older:
            with pytest.raises(Superseded):
                await each

    run(body)


def test_a_client_never_has_two_turns_at_once() -> None:
    async def body() -> None:
        turns, at_work, most = newest(), 0, 0

        async def one() -> None:
            nonlocal at_work, most
            async with turns.turn("a"):
                at_work += 1
                most = max(most, at_work)
                try:
                    await asyncio.sleep(0.01)
                finally:
                    at_work -= 1

        await asyncio.gather(*(one() for _ in range(20)), return_exceptions=True)
        assert most == 1

    run(body)


def test_other_clients_are_not_disturbed_and_wait_for_a_place() -> None:
    async def body() -> None:
        turns = newest(at_once=1)
        first = asyncio.create_task(hang(turns, "a"))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(quick(turns, "b"))
        await asyncio.sleep(0.05)
        assert not first.done()
        assert not second.done()
        newer = asyncio.create_task(quick(turns, "b"))  # while the older one waits for a place
        with pytest.raises(Superseded):
            await second
        assert not first.done()
        first.cancel()
        assert await newer == "b"

    run(body)


def test_a_client_that_leaves_stops_the_work_and_frees_its_place() -> None:
    async def body() -> None:
        turns = newest(at_once=1)
        leaving = asyncio.create_task(hang(turns, "a"))
        await asyncio.sleep(0.05)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert await quick(turns, "b") == "b"

    run(body)


def test_a_turn_that_takes_too_long_is_a_timeout() -> None:
    async def body() -> None:
        with pytest.raises(Timeout, match=r"longer than 0\.1 s"):
            await hang(newest(longest_s=0.1), "a")

    run(body)


def test_more_clients_than_may_wait_are_refused() -> None:
    async def body() -> None:
        turns = newest(most=2)
        waiting = [asyncio.create_task(hang(turns, client)) for client in ("a", "b")]
        await asyncio.sleep(0.05)
        with pytest.raises(TooManyRequests):
            await quick(turns, "c")
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
        assert await quick(turns, "c") == "c"

    run(body)
