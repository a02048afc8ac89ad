"""Capture: sending a live OpenTTD somewhere and grabbing the settled picture, and seeing how far a camera moved."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import cv2
import numpy as np

from bench.figures import Figure, Result, spending
from game_capture.drivers.city import CityDriver, CityParameters
from game_capture.drivers.openttd import OpenttdDriver, OpenttdParameters
from game_capture.staging import Staging
from imageflow_domain.errors import GameMissing
from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Grid
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.movement import FrameComparer

GRID = Grid(cols=8, rows=8)
TARGET_S = 0.10

CITY = CityParameters(seed=7, paused=True)
ROW = Grid(cols=7, rows=1)
ROUNDS = 5
EXACT_TARGET_MS, OTHER_TARGET_MS = 30.0, 150.0
_JPEG_QUALITY = 85
_SLACK_PX = 64


def run() -> Result:
    """Return the processor time of seeing a move, and the wall time of one with its settled grab, where OpenTTD is."""
    return Result(figures=(*_seeing(), *_moving().figures))


def _seeing() -> Iterator[Figure]:
    """Yield what it costs to see one move, between neighbours of a city: the best of several rounds."""
    land, sea = _row(water=0.0), _row(water=1.0)
    cases = (
        ("where the exact vote decides", land, EXACT_TARGET_MS),
        ("on open water", sea, OTHER_TARGET_MS),
        ("of lossy frames", [_lossy(frame) for frame in land], OTHER_TARGET_MS),
    )
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # several threads spin while they wait, which would count as work
    try:
        for name, frames, target_ms in cases:
            best_ms = min(_seen_ms(frames) for _ in range(ROUNDS))
            height, width = frames[0].shape[:2]
            name = f"processor time to see a move {name}, {width}x{height}"
            yield Figure(name=name, value=best_ms, unit="ms", at_most=target_ms)
    finally:
        cv2.setNumThreads(threads)


def _row(*, water: float) -> list[Pixels]:
    with CityDriver(CITY.model_copy(update={"water": water})) as driver:
        return [driver.grab(area).picture for area in driver.areas(ROW)]


def _lossy(frame: Pixels) -> Pixels:
    _, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), dtype=np.uint8)


def _seen_ms(frames: Sequence[Pixels]) -> float:
    """Return the processor time of a move along a row, each frame being compared with the one before."""
    step_px = CityDriver(CITY).step[0]
    comparer, middle = FrameComparer(CityDriver(CITY).capabilities.hud), Offset(dx_px=step_px // 2, dy_px=0)
    reach_px = 3 * step_px // 4 + _SLACK_PX
    comparer.compare(frames[0], frames[1], middle, reach_px)
    with spending() as spent:
        for before, after in pairwise(frames[1:]):
            comparer.compare(before, after, middle, reach_px)
    return 1000 * spent.cpu_s / (len(frames) - 2)


def _moving() -> Result:
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
