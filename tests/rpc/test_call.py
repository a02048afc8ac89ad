"""What a call does with messages while it is ended."""

import asyncio

import pytest

from imageflow.v1 import video_pb2 as pb
from imageflow_domain.access import Principal
from imageflow_engine.rpc.call import Call


class _Client:
    """A client whose one message the test sends, by setting it."""

    def __init__(self) -> None:
        self.message: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def read(self) -> bytes:
        return await self.message


@pytest.mark.parametrize("turns", range(5))
def test_a_call_that_is_ended_while_a_message_arrives_reads_no_further(turns: int) -> None:
    async def ended_meanwhile() -> None:
        client = _Client()
        call = Call(client, Principal(name="ada"), None)
        reading = asyncio.create_task(call.receive(pb.VideoFrame))
        await asyncio.sleep(0.01)
        client.message.set_result(pb.VideoFrame(frame=1).SerializeToString())
        for _ in range(turns):
            await asyncio.sleep(0)
        if reading.cancel():
            with pytest.raises(asyncio.CancelledError):
                await reading
        else:
            assert reading.result() is not None

    asyncio.run(ended_meanwhile())
