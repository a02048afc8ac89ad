"""The pool of offsets with one slot and with two, over the same 3,600 screenshots, in real processes."""

import subprocess
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, Result
from bench.stack import running_stack
from bench.steps import seconds_of
from imageflow_domain.survey import Layer

_GAMES = {
    "large_city": """
title: A city large enough that registering it takes a minute
driver: {name: city, parameters: {seed: 3}}
grid: {rows: 60, cols: 60}
encoding: {lossless_method: 0}
"""
}
_PATIENCE_S = 1800.0
_POSTGRES_END_S = 60.0
_AT_LEAST = 1.6


def run() -> Result:
    """Take screenshots once, and return how long registering them takes with one slot and with two."""
    # the database outlives this process's last look at it a little, and takes its own files away
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        taken = Path(folder) / "taken"
        taken.mkdir()
        with running_stack(taken, {}, _GAMES) as stack:
            job = stack.take("large_city", "bench", _PATIENCE_S)
        _await_postgres_end(stack.home)
        one, two = (_registering(taken, Path(folder) / f"placed_{slots}", job, slots) for slots in (1, 2))
    return Result(
        figures=(
            Figure(name="one slot", value=one, unit="s"),
            Figure(name="two slots", value=two, unit="s"),
            Figure(name="one slot / two slots", value=one / two, at_least=_AT_LEAST),
        )
    )


def _registering(taken: Path, placed: Path, job: dict[str, object], slots: int) -> float:
    subprocess.run(["cp", "-a", taken, placed], check=True)  # with the owners, which PostgreSQL insists on
    with running_stack(placed, {"IMAGEFLOW_COORDS_POOL": str(slots)}, _GAMES) as stack:
        begun = time.time()
        survey = stack.place(job, _PATIENCE_S)
        return seconds_of(stack.home, survey, Layer.PAIR_OFFSETS, since=begun)


def _await_postgres_end(home: Path) -> None:
    """Wait until the embedded server, which outlives its last client a little, changes its files no more."""
    deadline = time.monotonic() + _POSTGRES_END_S
    while any(home.rglob("postmaster.pid")):
        if time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL of '{home}' has not ended.")
        time.sleep(0.2)
