"""What is sent to begin a camera stream, and its frames."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, TypedDict, cast

from imageflow.client.request import Image, Options, StartRequest, read_image, start_request

Frames = Iterable[Image] | AsyncIterable[Image]
"""Encoded images or paths of their files. A plain iterable may wait for its next frame: it is read on a thread."""


class StreamOptions(TypedDict, total=False):
    """What a stream may be asked to do: a pipeline or a spec, and the rest as needed."""

    pipeline: str
    """name or name@version of a published pipeline."""
    spec: Mapping[str, Any]
    """A whole pipeline, in place of a published one."""
    parameters: Mapping[str, Any]
    """Replaced parameters: step.parameter, or parameter where only one step has it, to its value."""
    client_id: str
    """What the client calls itself."""
    correlation_id: str
    """The client's own id of the stream."""


def stream_request(options: StreamOptions) -> StartRequest:
    """Return what a stream asks for: a request without images."""
    return start_request({}, cast("Options", options))


async def numbered(frames: Frames) -> AsyncIterator[tuple[int, bytes]]:
    """Yield frames with their numbers; raise `NotFound` or `InvalidInput` for a file that cannot be read."""
    number = 0
    async for frame in frames if isinstance(frames, AsyncIterable) else _on_thread(iter(frames)):
        yield number, frame if isinstance(frame, bytes) else await asyncio.to_thread(read_image, frame)
        number += 1


async def _on_thread(frames: Iterator[Image]) -> AsyncIterator[Image]:
    while (frame := await asyncio.to_thread(next, frames, None)) is not None:
        yield frame
