"""Dagster's share of a 36-shot survey by command line: wall time in which no asset body runs."""

import tempfile
from pathlib import Path

from bench.figures import Figure, Result
from bench.steps import covered_s, steps_of
from bench.surveying import run_survey

TARGET_S = 3.0
_EXAMPLE = Path(__file__).parents[1] / "examples" / "openttd-small"
_OPTIONS = ("--driver", "folder", "--source", str(_EXAMPLE), "--game", "openttd", "--save", "bench")


def run() -> Result:
    """Return the share of a first survey in a fresh home, and of a second one, whose database is there already."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        figures = []
        for which in ("first survey in a fresh home", "second survey"):
            watched = run_survey(home, _OPTIONS)
            working_s = _working_s(home, watched.survey)
            figures += [
                Figure(name=f"{which}: wall", value=watched.wall_s, unit="s"),
                Figure(name=f"{which}: asset bodies", value=working_s, unit="s"),
                Figure(
                    name=f"{which}: no asset body runs", value=watched.wall_s - working_s, unit="s", at_most=TARGET_S
                ),
            ]
    return Result(figures=tuple(figures))


def _working_s(home: Path, survey: str) -> float:
    """Return for how long steps of a survey ran, as Dagster recorded it."""
    return covered_s(steps_of(home, survey))
