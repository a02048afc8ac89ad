"""How a process that serves ends: its exit code, and the reason as one sentence on standard error."""

import sys
from collections.abc import Callable

from imageflow_domain.errors import ImageFlowError, InvalidInput, Unavailable

_WRONG_INPUT, _UNAVAILABLE, _FAILED = 2, 4, 1
"""As the `imageflow` command has them."""


def exit_code_of(serve: Callable[[], None]) -> int:
    """Serve; return 0 after an orderly end, and else an exit code, with the reason on standard error."""
    try:
        serve()
    except ImageFlowError as error:
        sys.stderr.write(f"{error}\n")
        return _code(error)
    return 0


def _code(error: ImageFlowError) -> int:
    match error:
        case InvalidInput():
            return _WRONG_INPUT
        case Unavailable():
            return _UNAVAILABLE
        case _:
            return _FAILED
