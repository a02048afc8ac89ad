"""`python -m tests.browser.surveying`: several `imageflow` commands in one process, which imports Dagster once.

Reads them from its standard input: a list of lists of arguments, as JSON.
"""

import json
import sys

from imageflow_cli.main import cli


def main() -> None:
    """Run one command after the other; the first that fails ends it."""
    for arguments in json.load(sys.stdin):
        cli(arguments, standalone_mode=False)


if __name__ == "__main__":
    main()
