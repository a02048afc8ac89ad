"""Memory of a 400-shot survey: the largest process, and whether it grows with the number of blocks."""

import tempfile
from pathlib import Path

from bench.figures import Figure, Result
from bench.surveying import run_survey

TARGET_MB = 1500.0
GROWTH = 1.15
"""Four blocks may take this many times the memory of one."""

_CITY = ("--driver", "city", "--game", "city", "--lossless-method", "0", "--seed", "7")


def run() -> Result:
    """Return peak memory of each process of a 20x20 survey, and its ratio to that of a 10x10 one."""
    with tempfile.TemporaryDirectory() as folder:
        one = run_survey(Path(folder) / "one", [*_CITY, "--save", "one", "--grid", "10x10"])
        four = run_survey(Path(folder) / "four", [*_CITY, "--save", "four", "--grid", "20x20"])
    largest = max(four.peak_mb, key=lambda name: four.peak_mb[name])
    return Result(
        figures=(
            *(
                Figure(name=f"400 shots, 4 blocks: peak of {name}", value=peak, unit="MB", at_most=TARGET_MB)
                for name, peak in sorted(four.peak_mb.items())
            ),
            Figure(
                name=f"{largest}: four blocks / one block",
                value=four.peak_mb[largest] / one.peak_mb[largest],
                at_most=GROWTH,
            ),
            Figure(name="400 shots: wall", value=four.wall_s, unit="s"),
        )
    )
