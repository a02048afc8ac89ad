"""Waiting for the end of an execution by its events."""

import asyncio
from uuid import UUID

from anyio import CapacityLimiter

from imageflow_domain.errors import EventsForgotten, TooManyRequests, Unavailable
from imageflow_domain.events import BEGINNING, LoggedEvent
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import ENDS
from imageflow_edge.hub import Hub
from imageflow_edge.places import placed


async def ends_within(hub: Hub, execution: UUID, timeout_s: float) -> bool:
    """Return whether an execution ends in time; `False`, too, where that cannot be followed any longer.

    Args:
        hub: Hands out events.
        execution: One that was started: none of its events is missed.
        timeout_s: How long to wait.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    try:
        with await hub.follow(subject_of(execution), after=BEGINNING) as following:
            while (left_s := deadline - asyncio.get_running_loop().time()) > 0:
                if any(is_end(one) for one in await following.next(left_s)):
                    return True
    except (EventsForgotten, Unavailable):  # the execution goes on: its client asks for it later
        return False
    return False


async def ends_within_place(hub: Hub, places: CapacityLimiter, execution: UUID, timeout_s: float) -> bool:
    """Do what `ends_within` does, in one of the places of a process; return `False` at once where none is free."""
    try:
        with placed(places, "{} clients follow executions here already."):
            return await ends_within(hub, execution, timeout_s)
    except TooManyRequests:
        return False


def is_end(one: LoggedEvent) -> bool:
    """Whether an event says that its execution has ended."""
    return one.event.kind == "state" and one.event.data.get("state") in ENDS
