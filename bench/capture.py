"""Capture: sending a live OpenTTD somewhere and grabbing the settled picture."""

import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from bench.figures import Figure, Result
from game_capture.drivers.openttd import OpenttdDriver, OpenttdParameters
from game_capture.staging import Staging
from imageflow_domain.errors import GameMissing
from imageflow_domain.grid import Grid

GRID = Grid(cols=8, rows=8)
TARGET_S = 0.10


def run() -> Result:
    """Return the wall time of a move with its settled grab, over every area of a grid."""
    with tempfile.TemporaryDirectory() as scratch:
        driver = OpenttdDriver(OpenttdParameters(seed=20240607, map_size=512), staging=Staging(scratch=Path(scratch)))
        try:
            start_s, grabs_s = _survey(driver)
        except GameMissing as missing:
            return Result(skipped=str(missing))
    view = driver.capabilities.view
    name = f"OpenTTD {view.width_px}x{view.height_px}"
    return Result(
        figures=(
            Figure(name=f"move and settled grab, median, {name}", value=median(grabs_s), unit="s", at_most=TARGET_S),
            Figure(
                name=f"move and settled grab, 95th percentile, {name}", value=quantiles(grabs_s, n=20)[-1], unit="s"
            ),
            Figure(name=f"start until the map is shown, {name}", value=start_s, unit="s"),
        )
    )


def _survey(driver: OpenttdDriver) -> tuple[float, list[float]]:
    """Return the seconds that starting took, and those of every grab."""
    areas = driver.areas(GRID)
    began = time.perf_counter()
    with driver:
        start_s = time.perf_counter() - began
        grabs_s = []
        for area in areas:
            began = time.perf_counter()
            driver.grab(area)
            grabs_s.append(time.perf_counter() - began)
    return start_s, grabs_s
