"""`python -m imageflow_engine`: execute as the environment says."""

import atexit
import gc

from imageflow_clients.settings import Settings
from imageflow_edge.exit_codes import exit_code_of
from imageflow_engine.serve import serve


def main() -> int:
    """Return 0 after an orderly end, and else an exit code; the reason goes to standard error as one sentence."""
    # Before it ends, Python would collect garbage in all modules once more.
    atexit.register(gc.freeze)
    return exit_code_of(lambda: serve(Settings()))


if __name__ == "__main__":
    raise SystemExit(main())
