"""Which frames of a camera are processed, and which are dropped."""

import asyncio

import pytest

from imageflow_domain.errors import InvalidInput
from imageflow_engine.rpc.newest_frame import Frame, NewestFrame


def test_a_newer_frame_takes_the_place_of_one_that_waits() -> None:
    async def body() -> None:
        newest = NewestFrame()
        assert [newest.put(number, bytes([number])) for number in (0, 1, 4)] == [False, True, True]
        assert await newest.take() == Frame(number=4, data=b"\4", dropped=2, dropped_numbers=(0, 1))
        assert not newest.put(5, b"5")
        assert await newest.take() == Frame(number=5, data=b"5", dropped=0, dropped_numbers=())

    asyncio.run(body())


def test_the_last_frame_is_taken_before_the_end() -> None:
    async def body() -> None:
        newest = NewestFrame()
        newest.put(0, b"0")
        newest.close()
        last = await newest.take()
        assert last is not None
        assert last.number == 0
        assert await newest.take() is None

    asyncio.run(body())


def test_one_that_waits_for_a_frame_gets_it_or_the_end() -> None:
    async def body() -> None:
        newest = NewestFrame()
        taking = asyncio.create_task(newest.take())
        await asyncio.sleep(0)
        newest.put(3, b"3")
        taken = await taking
        assert taken is not None
        assert taken.number == 3
        taking = asyncio.create_task(newest.take())
        await asyncio.sleep(0)
        newest.close()
        assert await taking is None

    asyncio.run(body())


def test_a_thousand_dropped_frames_are_counted_and_the_newest_hundred_are_listed() -> None:
    async def body() -> None:
        newest = NewestFrame()
        for number in range(1_001):
            newest.put(number, b"x")
        frame = await newest.take()
        assert frame is not None
        assert (frame.number, frame.dropped) == (1_000, 1_000)
        assert frame.dropped_numbers == tuple(range(900, 1_000))

    asyncio.run(body())


@pytest.mark.parametrize("number", [-1, 0, 6, 7])
def test_frames_are_numbered_in_their_order(number: int) -> None:
    newest = NewestFrame()
    newest.put(7, b"x")
    with pytest.raises(InvalidInput, match="number frames in their order"):
        newest.put(number, b"x")
