"""The port of work that must be stoppable even where it never looks up: a function in a process that may be killed."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from imageflow_domain.cancellation import Cancellation

Result = TypeVar("Result")


class Isolation(Protocol):
    """Runs functions elsewhere. Any number of threads may call at once.

    What a function logs and uses is reported to the step's scope of the calling thread.
    """

    def call(self, function: Callable[..., Result], *arguments: Any, cancellation: Cancellation) -> Result:
        """Return `function(*arguments)`, computed in another process.

        Args:
            function: It, its arguments and its result travel by pickle.
            cancellation: Kills the process at once.

        Raises:
            Cancelled: When `cancellation` was thrown before the result was there.
            StepDied: When the process ended without an answer, e.g. for want of memory.
            Exception: What `function` raised.
        """
        ...
