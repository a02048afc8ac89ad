"""`python -m imageflow_gateway`: serve as the environment says."""

import atexit
import gc
import sys

from imageflow_clients.settings import Settings
from imageflow_domain.errors import ImageFlowError, InvalidInput, Unavailable

_WRONG_INPUT, _UNAVAILABLE, _FAILED = 2, 4, 1
"""As the `imageflow` command has them."""


def main() -> int:
    """Return 0 after an orderly end, and else an exit code; the reason goes to standard error as one sentence."""
    # Before it ends, Python would collect garbage in all modules once more, for half a second.
    atexit.register(gc.freeze)
    gc.disable()  # it would look through all modules again and again while they are imported
    from imageflow_gateway.serve import serve

    gc.freeze()
    gc.enable()
    try:
        serve(Settings())
    except InvalidInput as error:
        return _end(_WRONG_INPUT, str(error))
    except Unavailable as error:
        return _end(_UNAVAILABLE, str(error))
    except ImageFlowError as error:
        return _end(_FAILED, str(error))
    return 0


def _end(code: int, reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
