"""A 36-shot folder by job: from the request to the map, five times, through a real `imageflow up`."""

import statistics
import tempfile
from pathlib import Path

from bench.figures import Figure, Result
from bench.stack import running_stack

_TIMES = 5
_MEDIAN_S = 15.0
_EACH_S = 30.0
_PATIENCE_S = 300.0


def run() -> Result:
    """Return the median and the longest of five jobs, the first one in a fresh home."""
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder), {}) as stack:
        seconds = [stack.survey("openttd_example", "bench", _PATIENCE_S)[1] for _ in range(_TIMES)]
    return Result(
        figures=(
            Figure(
                name="36-shot folder, request to map: median of five",
                value=statistics.median(seconds),
                unit="s",
                at_most=_MEDIAN_S,
            ),
            Figure(name="36-shot folder, request to map: longest", value=max(seconds), unit="s", at_most=_EACH_S),
            Figure(name="36-shot folder, request to map: first, in a fresh home", value=seconds[0], unit="s"),
        )
    )
