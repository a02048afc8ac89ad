"""What a command does when it is to end."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_signals(act: Callable[[], None], *numbers: signal.Signals) -> Iterator[None]:
    """Call `act` for each of these signals that arrives during a `with` block, instead of what it did before."""

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's shape
        act()

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
