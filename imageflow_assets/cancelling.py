"""Stopping work when a person cancels its run."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def cancelled_with_the_run() -> Iterator[Cancellation]:
    """Yield a switch that is thrown when the run is cancelled, and end the step as cancelled then.

    Dagster itself raises in the main thread only, which would wait for the work of the other threads.
    """
    switch = Cancellation()
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread only
        yield switch
        return

    def throw(_number: int, _frame: object) -> None:
        # elsewhere: this thread may hold the switch's lock at this very moment
        threading.Thread(target=switch.cancel, args=("The run was cancelled.",), name="cancel").start()

    before = {number: signal.signal(number, throw) for number in _SIGNALS}
    try:
        yield switch
    except Cancelled as error:
        if switch.is_cancelled:
            raise dg.DagsterExecutionInterruptedError from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
