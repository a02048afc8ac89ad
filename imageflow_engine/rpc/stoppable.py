"""Work on a thread that ends with the call that waits for it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread

from imageflow_domain.cancellation import Cancellation

T = TypeVar("T")


async def on_thread(function: Callable[[], T], stop: Cancellation) -> T:
    """Return what a function returns on a thread; where the caller is cancelled, throw `stop` and wait for its end."""
    working = asyncio.ensure_future(to_thread.run_sync(function))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.cancel("The client is gone.")
        await asyncio.wait({working})
        working.exception()  # retrieved, so that asyncio does not report it as lost
        raise
