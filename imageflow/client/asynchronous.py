"""The client for asyncio."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

from imageflow.client.failures import MAY_PASS
from imageflow.client.following import follow_changes, follow_log
from imageflow.client.preview_request import Sample, preview_request
from imageflow.client.request import Image, Options, StartRequest, start_request
from imageflow.client.resilience import TIMEOUT_S, Deadline
from imageflow.client.servers import Servers
from imageflow.client.stream_request import Frames, StreamOptions, numbered, stream_request
from imageflow.client.transport import Transport
from imageflow.client.values import Change, Execution, LogLine, Output, ProcessedFrame, Protocol, SamplePreview
from imageflow_domain.errors import BadGateway, Timeout
from imageflow_domain.executions import ExecutionState

DEADLINE_S = 60.0
"""Of a call with all its attempts, and of an execution that is waited for."""

_SLOWEST_BYTES_PER_S = 1_000_000
"""Images get the time that they take over a slow line, besides an attempt's own timeout."""

_ANSWER_S = 1.0
"""A server that waits for an execution's end answers so long before the attempt's timeout."""

PREVIEW_DEADLINE_S = 30.0

T = TypeVar("T")


class AsyncClient:
    """Starts executions, follows them, and reads their results. An asynchronous context manager.

    Every call has one deadline, 60 s by default, over all its attempts: what may pass is tried again after 1, 2 and
    4 s, always as the same execution. A server that failed 5 times in a row is left alone for 30 s.

    Args:
        server: Address of a gateway (http://127.0.0.1:8080), or of an engine alone (grpc://127.0.0.1:50051; grpcs:// by
            TLS).
        protocol: `auto` takes what the gateway recommends for the size of the image, and REST where an engine does not
            answer: then the execution waits for one.
        grpc_address: host:port of the engine; by default as the gateway says.
    """

    def __init__(
        self, server: str, *, protocol: Protocol | str = Protocol.AUTO, grpc_address: str | None = None
    ) -> None:
        self._servers = Servers(server, protocol, grpc_address)
        self._session = uuid.uuid4().hex

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._servers.close()

    async def process(
        self,
        images: Image | Mapping[str, Image],
        *,
        deadline_s: float = DEADLINE_S,
        **options: Unpack[Options],
    ) -> Execution:
        """Execute a pipeline on an image, and return the execution once it has ended, with the bytes of its outputs.

        Args:
            images: Bytes or the path of an encoded image; of a pipeline with several inputs, one for each.
            deadline_s: For everything; an execution that has not ended then goes on.
            options: `pipeline` or `spec`, `parameters`, `priority`, `client_id`, `correlation_id`, `key`, as `Options`
                has them.

        Raises:
            InvalidInput: The request is wrong, in a way that its message names.
            NotFound: The pipeline is not published.
            Timeout: Not done within the deadline. The message has the execution's id where it was accepted.
            Unavailable: The server does not answer.
        """
        deadline = Deadline(deadline_s)
        request = await asyncio.to_thread(start_request, images, options)
        accepted = await self._start(request, deadline, waits=True)
        ended = accepted if accepted.state.is_end else await self._ended(accepted.id, deadline)
        return await self._with_data(ended, deadline)

    async def start(
        self,
        images: Image | Mapping[str, Image],
        *,
        deadline_s: float = DEADLINE_S,
        **options: Unpack[Options],
    ) -> Execution:
        """Start an execution, and return it once it is accepted. Arguments and errors are those of `process`."""
        deadline = Deadline(deadline_s)
        request = await asyncio.to_thread(start_request, images, options)
        return await self._start(request, deadline, waits=False)

    async def get(self, execution: UUID, *, deadline_s: float = DEADLINE_S) -> Execution:
        """Return an execution as it is; raise `NotFound`."""
        return await self._any(lambda at, t: at.get(execution, timeout_s=t), Deadline(deadline_s))

    async def cancel(self, execution: UUID, *, deadline_s: float = DEADLINE_S) -> Execution:
        """Cancel an execution; raise `NotFound`, or `Conflict` where it has completed or failed."""
        return await self._any(lambda at, t: at.cancel(execution, timeout_s=t), Deadline(deadline_s))

    async def result(self, execution: UUID, *, deadline_s: float = DEADLINE_S) -> Execution:
        """Wait for the end of an execution; return it with the bytes of its outputs, or raise `Timeout`."""
        deadline = Deadline(deadline_s)
        return await self._with_data(await self._ended(execution, deadline), deadline)

    async def watch(
        self, execution: UUID, *, after: str = "", deadline_s: float = 24 * 3600.0
    ) -> AsyncGenerator[Change]:
        """Yield how an execution stands, then every change once and in order, until it has ended.

        A connection that breaks is made again, and goes on where it was.

        Args:
            execution: Its id.
            after: `cursor` of the last change that is known; empty for a snapshot first.
            deadline_s: Raises `Timeout` then.
        """
        deadline = Deadline(deadline_s)
        async with aclosing(follow_changes(self._servers, execution, after=after, deadline=deadline)) as changes:
            async for change in changes:
                yield change

    async def preview(
        self,
        samples: Sample | Sequence[Sample],
        *,
        spec: Mapping[str, Any],
        step: str,
        longest_side_px: int = 1024,
        deadline_s: float = PREVIEW_DEADLINE_S,
    ) -> Sequence[SamplePreview]:
        """Return what one step of a pipeline gives for samples, in their order. Nothing is stored.

        Results of steps are kept for a while: after a change only the step that changed, and those after it, are
        computed again. Of the previews of one client only the newest goes on.

        Args:
            samples: One image, or up to 8; of a pipeline with several inputs, an image for each input.
            spec: The pipeline.
            step: Whose outputs are wanted.
            longest_side_px: Pixels that are larger are reduced to it.
            deadline_s: There is one attempt.

        Raises:
            InvalidInput: The spec or the samples are wrong, in a way that the message names.
            Superseded: This client has asked for another preview meanwhile.
            Timeout: It takes longer than an engine computes a preview, 20 s, or than the deadline.
            Unavailable: No engine answers.
        """
        deadline = Deadline(deadline_s)
        request = await asyncio.to_thread(
            preview_request, samples, session=self._session, spec=spec, step=step, longest_side_px=longest_side_px
        )
        server = await self._servers.reader(deadline)
        return await server.transport.preview(request, timeout_s=deadline.left_s)

    async def stream(
        self, frames: Frames, *, deadline_s: float = 24 * 3600.0, **options: Unpack[StreamOptions]
    ) -> AsyncGenerator[ProcessedFrame]:
        """Send the frames of a camera, and yield the results of those that are processed, in their order.

        Frames are sent as they come. The newest one that waits is processed next; older ones are dropped, and the next
        result says which. All of them are one execution, which ends with the frames.

        Args:
            frames: Encoded images of up to 4 MiB, or paths of files.
            deadline_s: Raises `Timeout` then.
            options: `pipeline` or `spec`, `parameters`, `client_id` and `correlation_id`, as `StreamOptions` has them.

        Raises:
            InvalidInput: The request is wrong, in a way that its message names.
            NotFound: The pipeline is not published.
            Cancelled: The execution was cancelled.
            Unavailable: No engine answers, or the connection is lost: the stream is over.
        """
        deadline = Deadline(deadline_s)
        request = stream_request(options)
        engine = await self._servers.grpc(deadline)
        results = engine.transport.stream(request, numbered(frames), timeout_s=deadline.left_s)
        async with aclosing(results):
            async for result in results:
                if isinstance(result, ProcessedFrame):
                    yield result

    async def logs(
        self, execution: UUID, *, after: str = "", follow: bool = False, deadline_s: float = 24 * 3600.0
    ) -> AsyncGenerator[LogLine]:
        """Yield what the steps of an execution logged, every line once and in order.

        A connection that breaks is made again, and goes on where it was.

        Args:
            execution: Its id.
            after: `cursor` of the last line that is known; empty for all lines.
            follow: Whether to wait for further lines until the execution has ended.
            deadline_s: Raises `Timeout` then.
        """
        deadline = Deadline(deadline_s)
        following = follow_log(self._servers, execution, after=after, follow=follow, deadline=deadline)
        async with aclosing(following) as lines:
            async for line in lines:
                yield line

    async def read(self, execution: UUID, output: str, *, deadline_s: float = DEADLINE_S) -> bytes:
        """Return the bytes of an output; raise `NotFound`."""
        return await self._any(lambda at, t: at.read(execution, output, timeout_s=t), Deadline(deadline_s))

    async def _start(self, request: StartRequest, deadline: Deadline, *, waits: bool) -> Execution:
        timeout_s = TIMEOUT_S + request.size / _SLOWEST_BYTES_PER_S

        async def attempt(at: Transport, limit_s: float) -> Execution:
            wait_s = min(limit_s, TIMEOUT_S) - _ANSWER_S if waits else 0.0
            return await at.start(request, wait_s=wait_s, timeout_s=limit_s)

        server = await self._servers.starter(request, deadline)
        fallback = self._servers.fallback_of(server)
        if fallback is not None:
            try:
                return await server.resilience.call(
                    lambda limit_s: attempt(server.transport, limit_s), deadline, timeout_s=timeout_s, waits_s=()
                )
            except MAY_PASS:
                # No engine answers, or none that can be reached from here: the gateway lets it wait for one.
                server = fallback
        return await server.resilience.call(
            lambda limit_s: attempt(server.transport, limit_s), deadline, timeout_s=timeout_s
        )

    async def _ended(self, execution: UUID, deadline: Deadline) -> Execution:
        try:
            async with asyncio.timeout(deadline.left_s):
                async with aclosing(self.watch(execution, deadline_s=deadline.left_s)) as changes:
                    async for _ in changes:
                        pass
                return await self.get(execution, deadline_s=deadline.left_s)
        except (TimeoutError, Timeout):
            raise Timeout(
                f"Execution {execution} has not ended in time. It goes on: ask for its result later, or cancel it."
            ) from None

    async def _with_data(self, execution: Execution, deadline: Deadline) -> Execution:
        if execution.state is not ExecutionState.COMPLETED:
            return execution
        try:
            outputs = {
                name: None if each is None else await self._read_whole(execution.id, each, deadline)
                for name, each in execution.outputs.items()
            }
        except Timeout:
            raise Timeout(
                f"Execution {execution.id} is completed, but its outputs were not read in time: ask for its result."
            ) from None
        return replace(execution, outputs=outputs)

    async def _read_whole(self, execution: UUID, output: Output, deadline: Deadline) -> Output:
        if _is_whole(output, output.data):
            return output
        timeout_s = TIMEOUT_S + output.size / _SLOWEST_BYTES_PER_S

        async def attempt(at: Transport, limit_s: float) -> bytes:
            data = await at.read(execution, output.name, timeout_s=limit_s)
            if not _is_whole(output, data):
                raise BadGateway(f"'{output.name}' of {execution} arrived damaged: read it again.")
            return data

        return replace(output, data=await self._any(attempt, deadline, timeout_s=timeout_s))

    async def _any(
        self,
        attempt: Callable[[Transport, float], Awaitable[T]],
        deadline: Deadline,
        *,
        timeout_s: float | None = None,
    ) -> T:
        server = await self._servers.reader(deadline)
        return await server.resilience.call(
            lambda limit_s: attempt(server.transport, limit_s), deadline, timeout_s=timeout_s
        )


def _is_whole(output: Output, data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == output.sha256
