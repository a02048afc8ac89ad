"""The executions, and logs of executions, that one WebSocket follows."""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import aclosing, closing
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from anyio import to_thread
from starlette.websockets import WebSocketDisconnect

from imageflow_domain.errors import InvalidInput, TooManyRequests
from imageflow_domain.events import BEGINNING, EventCursor
from imageflow_domain.execution_events import subject_of
from imageflow_domain.execution_logs import BEGINNING_OF_LOG, LogCursor
from imageflow_edge.changes import changes
from imageflow_edge.log_tail import log_tail
from imageflow_edge.places import placed
from imageflow_executions import history, logs
from imageflow_executions.history import ExecutionInFull
from imageflow_executions.logs import LogPage
from imageflow_gateway.gateway import Gateway
from imageflow_gateway.live.execution_progress import ProgressOf
from imageflow_gateway.live.socket_answers import SocketAnswers
from imageflow_gateway.live.socket_messages import (
    ExecutionLogs,
    Subscribe,
    SubscribeLogs,
    Unsubscribe,
    UnsubscribeLogs,
)
from imageflow_gateway.log_lines import LogLineEntry

_LINES = 200
"""Log lines of a message, at most."""

_FULL = "{} executions are followed here already: ask for the execution itself, or follow it later."
_Followed = tuple[type[Subscribe | SubscribeLogs], UUID]
"""What a task sends, and of which execution."""


class SocketFollowers:
    """What one connection follows, each by a task of its own.

    Args:
        gateway: Has the executions, the hub and the limits.
        answers: Sends messages to the client.
    """

    def __init__(self, gateway: Gateway, answers: SocketAnswers) -> None:
        self._gateway = gateway
        self._limits = gateway.capacity.socket
        self._answers = answers
        self._followed: dict[_Followed, asyncio.Task[None]] = {}
        self._ended_at_s = time.monotonic()

    @property
    def idle_since_s(self) -> float | None:
        """Since when nothing is followed, by the monotonic clock; `None` while something is."""
        return None if self._followed else self._ended_at_s

    async def subscribe(self, message: Subscribe) -> None:
        """Follow an execution; raise `InvalidInput`, `NotFound` or `TooManyRequests`."""
        after = None if message.after is None else EventCursor.parse(message.after)
        if after is None and message.after is not None:
            raise InvalidInput(f"'{message.after[:80]}' is no cursor: send that of the last message that you have.")
        await self._full(message.execution_id)  # whether it is there
        self.follow(message.execution_id, after)

    def follow(self, execution: UUID, after: EventCursor | None = None) -> None:
        """Follow an execution, from a cursor or from how it stands; raise `TooManyRequests`."""
        self._follow((Subscribe, execution), self._send_changes(execution, after))

    async def subscribe_to_log(self, message: SubscribeLogs) -> None:
        """Follow the log of an execution; raise `InvalidInput`, `NotFound` or `TooManyRequests`."""
        after = BEGINNING_OF_LOG if message.after is None else LogCursor.parse(message.after)
        if after is None:
            raise InvalidInput(f"'{message.after}' is no cursor of a line: send that of the last line that you have.")
        await self._full(message.execution_id)  # whether it is there
        self._follow((SubscribeLogs, message.execution_id), self._send_log(message.execution_id, after))

    def leave(self, message: Unsubscribe | UnsubscribeLogs) -> None:
        """Follow an execution, or its log, no longer."""
        self._leave((Subscribe if isinstance(message, Unsubscribe) else SubscribeLogs, message.execution_id))

    def leave_all(self) -> None:
        """Follow nothing any longer."""
        for followed in tuple(self._followed):
            self._leave(followed)

    def _follow(self, followed: _Followed, sending: Coroutine[Any, Any, None]) -> None:
        self._leave(followed)
        most = self._limits.followed
        if len(self._followed) >= most:
            sending.close()
            raise TooManyRequests(f"A connection follows {most} executions at most: leave one first.")
        task = asyncio.create_task(self._report(followed[1], sending))
        self._followed[followed] = task
        task.add_done_callback(lambda done: self._ended(followed, done))

    def _leave(self, followed: _Followed) -> None:
        task = self._followed.pop(followed, None)
        if task is not None:
            task.cancel()

    def _ended(self, followed: _Followed, task: asyncio.Task[None]) -> None:
        if self._followed.get(followed) is task:
            del self._followed[followed]
            self._ended_at_s = time.monotonic()

    async def _report(self, execution: UUID, sending: Coroutine[Any, Any, None]) -> None:
        """Send what is followed, in a place of this process; an error of it is a message."""
        try:
            with closing(sending), placed(self._gateway.capacity.socket_followers, _FULL):
                await sending
        except WebSocketDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - logged in full; the connection and what else it follows go on
            await self._answers.refuse(error, "", execution)

    async def _send_changes(self, execution: UUID, after: EventCursor | None) -> None:
        """Send how an execution stands after each change, and from time to time without one."""
        found = await self._full(execution)
        progress = ProgressOf(found.record)
        # Each message has all steps: a client that comes back gets them from the beginning of the log.
        begin = found if after is None else BEGINNING
        seen = after or BEGINNING
        read = partial(self._full, execution)
        following = changes(self._gateway.hub, subject_of(execution), read, begin=begin, beat_s=self._limits.beat_s)
        async with aclosing(following):
            async for one in following:
                if isinstance(one, ExecutionInFull):
                    await self._answers.send(progress.at_snapshot(one))
                elif one is not None:
                    now = progress.after(one)
                    if one.cursor > seen:
                        await self._answers.send(now)
                elif progress.cursor >= seen:
                    await self._answers.send(progress.at(datetime.now(UTC)))

    async def _send_log(self, execution: UUID, after: LogCursor) -> None:
        """Send log lines as they come; without one, from time to time, a message with none."""
        read = partial(self._lines, execution)
        tail = log_tail(self._gateway.hub, execution, read, after=after, beat_s=self._limits.beat_s)
        async with aclosing(tail) as following:
            async for page in following:
                lines = () if page is None else page.lines
                entries = [LogLineEntry.of(line) for line in lines]
                is_end = page is not None and page.is_end
                await self._answers.send(ExecutionLogs(execution_id=execution, lines=entries, is_end=is_end))

    async def _lines(self, execution: UUID, after: LogCursor) -> LogPage:
        read = partial(self._gateway.use(logs.read_log), execution, after=after, limit=_LINES)
        return await to_thread.run_sync(read, limiter=self._gateway.capacity.progress_reads)

    async def _full(self, execution: UUID) -> ExecutionInFull:
        get = self._gateway.use(history.get_execution)
        return await to_thread.run_sync(get, execution, limiter=self._gateway.capacity.progress_reads)
