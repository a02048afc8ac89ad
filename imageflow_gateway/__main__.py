"""`python -m imageflow_gateway`: serve as the environment says."""

import sys

from imageflow_clients.settings import Settings
from imageflow_domain.errors import ImageFlowError
from imageflow_gateway.serve import serve


def main() -> int:
    """Return 0 after an orderly end, 1 where serving could not begin; the reason goes to standard error."""
    try:
        serve(Settings())
    except ImageFlowError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
