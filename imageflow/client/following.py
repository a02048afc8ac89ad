"""The changes of an execution, and its log, over any number of connections: each change and line once, in order."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from imageflow.client.failures import MAY_PASS
from imageflow.client.resilience import Deadline, jittered
from imageflow.client.servers import Servers
from imageflow.client.transport import Transport
from imageflow.client.values import Change, LogLine
from imageflow_domain.errors import EventsForgotten

_FAILURES = 10
"""In a row, of a connection by which an execution is followed."""


async def follow_changes(
    servers: Servers, execution: UUID, *, after: str, deadline: Deadline
) -> AsyncGenerator[Change]:
    """Yield changes until the execution has ended. Arguments are those of `AsyncClient.watch`."""
    server = await servers.reader(deadline)
    failures = 0
    while True:
        deadline.check()
        try:
            async with aclosing(server.transport.watch(execution, after, timeout_s=deadline.left_s)) as changes:
                async for change in changes:
                    after, failures = change.cursor, 0
                    yield change
                    if change.is_end:
                        return
            if after and await _is_last(server.transport, execution, after, deadline):
                return
        except EventsForgotten:
            after = ""
        except MAY_PASS:
            failures += 1
            if failures > _FAILURES and servers.rest is not None:
                server = servers.rest
        await _pause(failures, deadline)


async def follow_log(
    servers: Servers, execution: UUID, *, after: str, follow: bool, deadline: Deadline
) -> AsyncGenerator[LogLine]:
    """Yield log lines. Arguments are those of `AsyncClient.logs`."""
    server = await servers.reader(deadline)
    failures = 0
    while True:
        deadline.check()
        try:
            pages = server.transport.read_log(execution, after, follow=follow, timeout_s=deadline.left_s)
            async with aclosing(pages) as reading:
                async for page in reading:
                    for line in page.lines:
                        after, failures = line.cursor, 0
                        yield line
                    if page.is_end:
                        return
            if not follow or await _has_last_line(server.transport, execution, after, deadline):
                return
        except MAY_PASS:
            failures += 1
            if failures > _FAILURES and not follow:
                raise
        await _pause(failures, deadline)


async def _pause(failures: int, deadline: Deadline) -> None:
    await asyncio.sleep(min(jittered(min(2.0**failures / 2, 4.0)), deadline.left_s))


async def _is_last(at: Transport, execution: UUID, cursor: str, deadline: Deadline) -> bool:
    """Return whether an execution has ended, and `cursor` is that of its last change."""
    async with aclosing(at.watch(execution, "", timeout_s=deadline.left_s)) as changes:
        async for snapshot in changes:
            return snapshot.is_end and snapshot.cursor == cursor
    return False


async def _has_last_line(at: Transport, execution: UUID, cursor: str, deadline: Deadline) -> bool:
    """Return whether an execution has ended, and `cursor` is that of its last line."""
    async with aclosing(at.read_log(execution, cursor, follow=False, timeout_s=deadline.left_s)) as pages:
        async for page in pages:
            return page.is_end and not page.lines
    return False
