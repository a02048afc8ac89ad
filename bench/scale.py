"""A survey of 100 x 100 areas through the running stack: one machine, embedded PostgreSQL, a folder of objects.

IMAGEFLOW_BENCH_GRID=COLSxROWS measures a smaller one; IMAGEFLOW_BENCH_HOME names the disk.
"""

import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx

from bench.figures import Figure, Result
from bench.stack import Stack, running_stack
from bench.steps import covered_s, event_log_bytes, steps_of
from bench.watching import Watched, watching
from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_clients.database.maps import layers, placements, screenshots, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.geometry import Offset
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import Layer, Survey
from imageflow_surveys import states

SHARE, PEAK_MB, EVENTS_MB, NATIVE_TILES = 5.0, 1500.0, 20.0, 38_000
BYTES_AN_AREA = 900_000
"""Disk to have free for each area: its screenshot, its tiles and their lossless copies, rows and logs."""

_POLL_S = 5.0
_GAME = """\
title: A large running city
driver: {name: city, parameters: {seed: 7, overlap_px: [160, 128]}}
encoding: {lossless_method: 0}
"""


def run() -> Result:
    """Return time by stage, Dagster's share, memory, tiles, exactness and size on disk.

    Tiles are encoded the fast way, lossless method 0: what is measured is the way of the data, not the encoder.
    """
    grid = os.environ.get("IMAGEFLOW_BENCH_GRID", "100x100")
    cols, rows_ = (int(side) for side in grid.split("x"))
    with tempfile.TemporaryDirectory(dir=os.environ.get("IMAGEFLOW_BENCH_HOME")) as folder:
        needed = cols * rows_ * BYTES_AN_AREA
        free = shutil.disk_usage(folder).free
        if free < needed:
            return Result(skipped=f"{needed / 1e9:.1f} GB of disk are needed, {free / 1e9:.1f} GB are free")
        with (
            running_stack(Path(folder), {}, {"large_city": _GAME}) as stack,
            watching(stack.home) as watched,
        ):
            home = stack.home
            begin = time.time()
            survey_id = _survey(stack, cols, rows_)
            end = time.time()
            stores = open_stores(Settings(home=home))
            survey = states.read(stores, survey_id)
            figures = [
                *_stages(watched, home, survey, begin, end),
                *_outcome(stores, survey, whole=grid == "100x100"),
                *(
                    Figure(name=f"peak of one {role}", value=peak, unit="MB", at_most=PEAK_MB)
                    for role, peak in sorted(watched.peak_mb.items())
                ),
                Figure(name="Dagster's event log", value=event_log_bytes(home) / 1e6, unit="MB", at_most=EVENTS_MB),
                *_sizes(home),
            ]
            stores.database.close()
    return Result(figures=(Figure(name="areas", value=cols * rows_), *figures))


def _survey(stack: Stack, cols: int, rows_: int) -> str:
    """Begin a job and wait for its end; return the survey's id."""
    request = {"game_id": "large_city", "save_data_id": "scale", "grid": {"cols": cols, "rows": rows_}}
    answer = httpx.post(f"{stack.gateway}/api/jobs", json=request, timeout=120)
    if not answer.is_success:
        raise RuntimeError(f"The job was answered {answer.status_code}: {answer.text}")
    job = answer.json()
    while True:
        time.sleep(_POLL_S)
        status = httpx.get(f"{stack.gateway}/api/jobs/{job['job_id']}/status", timeout=60).raise_for_status().json()
        print(f"\r{status['progress']:5.1f} %, {status['tiles_created']} tiles", end="", flush=True)
        if status["status"] == "completed":
            print()
            return str(job["survey_id"])
        if status["status"] not in {"preparing", "running"}:
            raise RuntimeError(f"The survey is {status['status']}: {status['reason']}")


def _stages(watched: Watched, home: Path, survey: Survey, begin: float, end: float) -> list[Figure]:
    steps = steps_of(home, survey.id)
    figures = []
    for layer in Layer:
        mine = [step for step in steps if step.layer is layer]
        first, last = min(step.begin for step in mine), max(step.end for step in mine)
        figures += [
            Figure(name=f"{layer}: wall", value=last - first, unit="s"),
            Figure(name=f"{layer}: CPU of its workers", value=watched.worker_cpu_s(first, last), unit="s"),
            Figure(name=f"{layer}: shares", value=sum(step.is_work for step in mine)),
        ]
    working_s = covered_s(steps)
    wall_s = end - begin
    return [
        Figure(name="wall", value=wall_s, unit="s"),
        *figures,
        Figure(name="wall in which no asset body runs", value=100 * (1 - working_s / wall_s), unit="%", at_most=SHARE),
    ]


def _outcome(stores: Stores, survey: Survey, *, whole: bool) -> list[Figure]:
    driver = CityDriver(CityParameters.model_validate(survey.spec.driver.parameters))
    driver.areas(survey.grid)
    with stores.database.begin() as connection:
        areas = {area.cell: area for area in rows.areas(connection, survey.id)}
        places = placements.placements(connection, survey.id)
        offsets = placements.offsets(connection, survey.id)
        dropped = {(d.pair.reference, d.pair.moving) for d in placements.dropped(connection, survey.id)}
        progress = layers.progress(connection, survey.id)
        layer = tiles.layer_of(connection, survey.id, survey.published().revision)
        native = tiles.at_zoom(connection, layer, survey.published().frame.native_zoom)
        count, size = tiles.totals(connection, layer)
        kept = len(screenshots.stored(connection, survey.id))
    truth = {cell: driver.truth(area) for cell, area in areas.items()}
    off = {
        p.cell: Offset(dx_px=p.x_px - int(truth[p.cell].x_px), dy_px=p.y_px - int(truth[p.cell].y_px)) for p in places
    }
    anchored = [p.cell for p in places if p.status is PlacementStatus.ANCHORED]
    common = Counter(off[cell] for cell in anchored).most_common(1)[0][0]
    wrong_edges = sum(
        (o.reference, o.moving) not in dropped
        and (o.offset.dx_px, o.offset.dy_px)
        != (
            int(truth[o.moving].x_px - truth[o.reference].x_px),
            int(truth[o.moving].y_px - truth[o.reference].y_px),
        )
        for o in offsets
    )
    return [
        Figure(name="native tiles", value=len(native), at_least=NATIVE_TILES if whole else None),
        Figure(name="different native tiles", value=len({tile.digest for tile in native.values()})),
        Figure(name="tiles of all zooms", value=count),
        Figure(name="tiles of all zooms, encoded", value=size / 1e6, unit="MB"),
        Figure(name="tasks of the survey", value=progress.tasks),
        Figure(name="anchored screenshots", value=len(anchored)),
        Figure(
            name="anchored screenshots that are exact",
            value=100 * sum(off[cell] == common for cell in anchored) / len(anchored),
            unit="%",
            at_least=100,
        ),
        Figure(
            name="ambiguous screenshots that are exact",
            value=sum(off[p.cell] == common for p in places if p.status is not PlacementStatus.ANCHORED),
        ),
        Figure(name="verified offsets", value=len(offsets)),
        Figure(name="wrong offsets kept", value=wrong_edges, at_most=0),
        Figure(name="screenshots kept after the cleanup", value=kept),
    ]


def _sizes(home: Path) -> list[Figure]:
    return [
        Figure(name=f"{folder} on disk at the end", value=_size_bytes(home / folder) / 1e6, unit="MB")
        for folder in ("objects", "postgres", "dagster")
    ]


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
