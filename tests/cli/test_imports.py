"""What a command loads: users wait for every import."""

import subprocess
import sys

from imageflow_assets.definitions import build_defs
from imageflow_assets.map.alone import map_job
from imageflow_surveys.runs import MAP_JOB

UNNEEDED = (
    "httpx",
    "imageflow_assets.definitions",
    "imageflow_assets.inspection.assets",
    "imageflow_mosaic.arrangement",
    "imageflow_pipelines",
    "onnxruntime",
    "scipy.fft",
)


def test_the_command_line_executes_the_same_job_as_the_code_location() -> None:
    assert map_job().get_job_snapshot() == build_defs().resolve_job_def(MAP_JOB).get_job_snapshot()


def test_a_survey_loads_nothing_of_inspection_models_or_arranging() -> None:
    look = f"import sys, imageflow_cli.running; print([name for name in {UNNEEDED} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
