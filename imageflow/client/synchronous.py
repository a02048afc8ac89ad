"""The client for programs without asyncio: the asynchronous one, on one thread for all clients of a process."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

from imageflow.client.asynchronous import DEADLINE_S, PREVIEW_DEADLINE_S, AsyncClient
from imageflow.client.preview_request import Sample
from imageflow.client.request import Image, Options
from imageflow.client.stream_request import Frames, StreamOptions
from imageflow.client.values import Change, Execution, LogLine, ProcessedFrame, Protocol, SamplePreview

T = TypeVar("T")


_loops: dict[int, asyncio.AbstractEventLoop] = {}
"""By process id: a process that was forked has no thread for the loop of its parent."""

_making: dict[int, threading.Lock] = {}
"""By process id as well: a lock that was held during a fork stays locked in the new process."""


def _loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of all clients: only one of a process may use gRPC."""
    process = os.getpid()
    with _making.setdefault(process, threading.Lock()):
        if process not in _loops:
            _loops[process] = asyncio.new_event_loop()
            threading.Thread(target=_loops[process].run_forever, name="imageflow-client", daemon=True).start()
        return _loops[process]


class Client:
    """`AsyncClient` with plain methods, from any thread. A context manager.

    A process that was forked makes clients of its own.
    """

    def __init__(
        self, server: str, *, protocol: Protocol | str = Protocol.AUTO, grpc_address: str | None = None
    ) -> None:
        """Arguments are those of `AsyncClient`."""
        self._client = AsyncClient(server, protocol=protocol, grpc_address=grpc_address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        _wait(self._client.close())

    def process(
        self,
        images: Image | Mapping[str, Image],
        *,
        deadline_s: float = DEADLINE_S,
        **options: Unpack[Options],
    ) -> Execution:
        """Execute a pipeline on an image, and return the execution once it has ended: see `AsyncClient.process`."""
        return _wait(self._client.process(images, deadline_s=deadline_s, **options))

    def start(
        self,
        images: Image | Mapping[str, Image],
        *,
        deadline_s: float = DEADLINE_S,
        **options: Unpack[Options],
    ) -> Execution:
        """Start an execution, and return it once it is accepted."""
        return _wait(self._client.start(images, deadline_s=deadline_s, **options))

    def get(self, execution: UUID, *, deadline_s: float = DEADLINE_S) -> Execution:
        """Return an execution as it is; raise `NotFound`."""
        return _wait(self._client.get(execution, deadline_s=deadline_s))

    def cancel(self, execution: UUID, *, deadline_s: float = DEADLINE_S) -> Execution:
        """Cancel an execution; raise `NotFound`, or `Conflict` where it has completed or failed."""
        return _wait(self._client.cancel(execution, deadline_s=deadline_s))

    def result(self, execution: UUID, *, deadline_s: float = DEADLINE_S) -> Execution:
        """Wait for the end of an execution; return it with the bytes of its outputs, or raise `Timeout`."""
        return _wait(self._client.result(execution, deadline_s=deadline_s))

    def preview(
        self,
        samples: Sample | Sequence[Sample],
        *,
        spec: Mapping[str, Any],
        step: str,
        longest_side_px: int = 1024,
        deadline_s: float = PREVIEW_DEADLINE_S,
    ) -> Sequence[SamplePreview]:
        """Return what one step of a pipeline gives for samples: see `AsyncClient.preview`."""
        return _wait(
            self._client.preview(samples, spec=spec, step=step, longest_side_px=longest_side_px, deadline_s=deadline_s)
        )

    def read(self, execution: UUID, output: str, *, deadline_s: float = DEADLINE_S) -> bytes:
        """Return the bytes of an output; raise `NotFound`."""
        return _wait(self._client.read(execution, output, deadline_s=deadline_s))

    def watch(self, execution: UUID, *, after: str = "", deadline_s: float = 24 * 3600.0) -> Iterator[Change]:
        """Yield how an execution stands, then every change until it has ended: see `AsyncClient.watch`."""
        return _each(self._client.watch(execution, after=after, deadline_s=deadline_s))

    def logs(
        self, execution: UUID, *, after: str = "", follow: bool = False, deadline_s: float = 24 * 3600.0
    ) -> Iterator[LogLine]:
        """Yield what the steps of an execution logged: see `AsyncClient.logs`."""
        return _each(self._client.logs(execution, after=after, follow=follow, deadline_s=deadline_s))

    def stream(
        self, frames: Frames, *, deadline_s: float = 24 * 3600.0, **options: Unpack[StreamOptions]
    ) -> Iterator[ProcessedFrame]:
        """Send the frames of a camera, and yield the results of those that are processed: see `AsyncClient.stream`."""
        return _each(self._client.stream(frames, deadline_s=deadline_s, **options))


def _each(coming: AsyncGenerator[T]) -> Iterator[T]:
    turn = asyncio.Lock()  # one that is interrupted in `_next` is closed once that has ended
    try:
        while (one := _wait(_next(coming, turn))) is not None:
            yield one
    finally:
        _wait(_close(coming, turn))


async def _next(coming: AsyncGenerator[T], turn: asyncio.Lock) -> T | None:
    async with turn:
        return await anext(coming, None)


async def _close(coming: AsyncGenerator[T], turn: asyncio.Lock) -> None:
    async with turn:
        await coming.aclose()


def _wait(call: Coroutine[Any, Any, T]) -> T:
    future = asyncio.run_coroutine_threadsafe(call, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()  # Ctrl-C: the call is not needed any more
        raise
