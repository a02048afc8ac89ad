"""Dagster's share of a 36-shot survey by command line: wall time in which no asset body runs."""

import os
import tempfile
from pathlib import Path

from bench.figures import Figure, Result
from bench.surveying import run_survey
from imageflow_clients.settings import Settings

TARGET_S = 5.0
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
    """Add up the time that asset bodies of a survey ran, from step start to step end as Dagster recorded it."""
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    import dagster as dg

    from imageflow_resources.storage import load_instance
    from imageflow_surveys.runs import SURVEY_TAG, layers_of

    with load_instance(Settings(home=home)) as instance:
        total_s = 0.0
        for run_ in instance.get_runs(dg.RunsFilter(tags={SURVEY_TAG: survey})):
            for step in instance.get_run_step_stats(run_.run_id, [layer.value for layer in layers_of(run_.tags)]):
                if step.start_time is not None and step.end_time is not None:
                    total_s += step.end_time - step.start_time
        return total_s
