"""`python -m imageflow_gateway`: serve as the environment says."""

import atexit
import gc

from imageflow_clients.settings import Settings
from imageflow_edge.exit_codes import exit_code_of


def main() -> int:
    """Return 0 after an orderly end, and else an exit code; the reason goes to standard error as one sentence."""
    # Before it ends, Python would collect garbage in all modules once more, for half a second.
    atexit.register(gc.freeze)
    gc.disable()  # it would look through all modules again and again while they are imported
    from imageflow_gateway.serve import serve

    gc.freeze()
    gc.enable()
    return exit_code_of(lambda: serve(Settings()))


if __name__ == "__main__":
    raise SystemExit(main())
