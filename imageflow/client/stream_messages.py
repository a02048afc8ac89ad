"""Camera streams as messages of gRPC."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

from imageflow.client.execution_messages import metadata_of, output_of, problem_of
from imageflow.client.request import StartRequest
from imageflow.client.values import ProcessedFrame
from imageflow.v1 import video_pb2 as pb


async def messages(request: StartRequest, frames: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[pb.VideoFrame]:
    """Yield what begins a stream, and its frames."""
    config = pb.VideoConfig(
        metadata=metadata_of(request),
        spec_json="" if request.spec is None else json.dumps(request.spec),
        correlation_id=request.correlation_id,
    )
    yield pb.VideoFrame(config=config)
    async for number, data in frames:
        yield pb.VideoFrame(frame=number, image_data=data)
    yield pb.VideoFrame(is_last=True)


def processed(message: pb.ProcessedFrame) -> ProcessedFrame:
    """Return the result of a frame."""
    return ProcessedFrame(
        execution=UUID(message.execution_id),
        frame=message.frame,
        outputs={each.name: output_of(each) for each in message.outputs} | dict.fromkeys(message.absent_outputs),
        seconds=message.seconds,
        dropped=message.dropped,
        dropped_frames=tuple(message.dropped_frames),
        error=problem_of(message.error) if message.HasField("error") else None,
    )
