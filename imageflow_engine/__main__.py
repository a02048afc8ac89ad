"""`python -m imageflow_engine`: execute as the environment says."""

import atexit
import gc
import sys

from imageflow_clients.settings import Settings
from imageflow_domain.errors import ImageFlowError, InvalidInput, Unavailable
from imageflow_engine.serve import serve

_WRONG_INPUT, _UNAVAILABLE, _FAILED = 2, 4, 1
"""As the `imageflow` command has them."""


def main() -> int:
    """Return 0 after an orderly end, and else an exit code; the reason goes to standard error as one sentence."""
    atexit.register(gc.freeze)
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
