"""Placing the same shots, side by side with ASHLAR 1.20, which stitches microscopes' pictures: lossless and JPEG.

ASHLAR's dependencies are many, so it lives in an environment of its own, whose Python `ASHLAR_PYTHON` names:
`python -m venv /somewhere && /somewhere/bin/pip install ashlar`. `ashlar_peer` says what has to be patched.
"""

import csv
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure, Result, spending
from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_domain.geometry import Offset, Position
from imageflow_domain.grid import Cell, Grid, forward_neighbours
from imageflow_domain.placement import PairOffset
from imageflow_domain.ports import Area
from imageflow_mosaic.ambiguity import settle_ambiguous
from imageflow_mosaic.codec import decode_picture
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.placement import place
from imageflow_mosaic.registration import register
from tests.mosaic.lossy_sets import lossy
from tests.mosaic.worlds import real

_ROOT = Path(__file__).parents[1]
_REACH_PX = 160
TARGET_LOSSY = 1 / 3
_PEER = Path(__file__).with_name("ashlar_peer.py")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, kw_only=True)
class Shots:
    """Shots, where they are believed to lie, and where they do."""

    name: str
    pictures: Mapping[Cell, NDArray[np.uint8]]
    nominal: Mapping[Cell, Position]
    truth: Mapping[Cell, Offset]
    reach_px: int
    at_most: float = 1.0
    """Processor time, as a multiple of ASHLAR's."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What a tool made of the shots."""

    exact: int
    cpu_s: float


def run() -> Result:
    """Return exact shots and processor time of both; reading and decoding the pictures is not counted."""
    python = os.environ.get("ASHLAR_PYTHON", "")
    if shutil.which(python) is None:
        return Result(skipped="ASHLAR is not there: set ASHLAR_PYTHON to the Python of an environment that has it")
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # several threads spin while they wait, which would count as work
    try:
        figures = [figure for shots in _sets() for figure in _figures(shots, python)]
    finally:
        cv2.setNumThreads(threads)
    return Result(figures=tuple(figures))


def _sets() -> Iterator[Shots]:
    data, example = _ROOT / "tests" / "data", _ROOT / "examples" / "openttd-small"
    yield _openttd("openttd-small", data / "openttd-small", example)
    yield _openttd("openttd-keys", data / "openttd-keys", data / "openttd-keys")
    yield _city()
    for name in ("openttd-small", "openttd-keys", "openttd-water"):
        yield _jpeg(name)


def _jpeg(name: str) -> Shots:
    """Return a set cut at random corners, so that JPEG changes overlaps differently, from drifted positions."""
    survey = lossy(real(name, "drift"), "JPEG 90", reach_px=_REACH_PX)
    return Shots(
        name=f"{name}, JPEG 90",
        pictures=survey.pictures,
        nominal={area.cell: area.position for area in survey.areas if area.position is not None},
        truth={cell: Offset(dx_px=round(x), dy_px=round(y)) for cell, (x, y) in survey.truth.items()},
        reach_px=_REACH_PX,
        at_most=TARGET_LOSSY,
    )


def _openttd(name: str, truth: Path, frames: Path) -> Shots:
    with (truth / "truth.csv").open() as table:
        rows = {Cell(row=int(row["row"]), col=int(row["col"])): row for row in csv.DictReader(table)}
    return Shots(
        name=name,
        pictures={cell: decode_picture((frames / row["file"]).read_bytes()) for cell, row in rows.items()},
        nominal={
            # a simulated drift where commanded positions are the true ones, which need no aligning
            cell: Position(x_px=float(row["drift_x"]), y_px=float(row["drift_y"]))
            for cell, row in rows.items()
        },
        truth={cell: Offset(dx_px=int(row["true_x"]), dy_px=int(row["true_y"])) for cell, row in rows.items()},
        reach_px=_REACH_PX,
    )


def _city() -> Shots:
    with CityDriver(CityParameters(seed=7)) as driver:
        areas = driver.areas(Grid(cols=6, rows=6))
        truths = {area.cell: driver.truth(area) for area in areas}
        return Shots(
            name="running city",
            pictures={area.cell: driver.grab(area).picture for area in areas},
            nominal={area.cell: area.position for area in areas if area.position is not None},
            truth={cell: Offset(dx_px=round(at.x_px), dy_px=round(at.y_px)) for cell, at in truths.items()},
            reach_px=driver.capabilities.reach_px,
        )


def _figures(shots: Shots, python: str) -> Iterator[Figure]:
    ours, peer = _ours(shots), _ashlar(shots, python)
    count = len(shots.pictures)
    yield Figure(name=f"ours / ASHLAR, CPU, {shots.name}", value=ours.cpu_s / peer.cpu_s, at_most=shots.at_most)
    yield Figure(name=f"ours: exact of {count}, {shots.name}", value=ours.exact, at_least=peer.exact)
    yield Figure(name=f"ASHLAR: exact of {count}, {shots.name}", value=peer.exact)
    yield Figure(name=f"ours: CPU, {shots.name}", value=ours.cpu_s, unit="s")
    yield Figure(name=f"ASHLAR: CPU, {shots.name}", value=peer.cpu_s, unit="s")


def _ours(shots: Shots) -> Placed:
    """Place the shots as the assets `pair_offsets` and `coordinates` do."""
    areas = [Area(cell=cell, position=shots.nominal[cell]) for cell in sorted(shots.pictures)]
    with spending() as spent:
        pairs = list(_pairs(shots))
        solution = place(areas, pairs, reach_px=shots.reach_px)
        places = settle_ambiguous(solution, areas, shots.pictures.__getitem__, masks=(), reach_px=shots.reach_px)
    found = {placed.cell: Position(x_px=placed.x_px, y_px=placed.y_px) for placed in places}
    return Placed(exact=_count_exact([found[area.cell] for area in areas], shots), cpu_s=spent.cpu_s)


def _pairs(shots: Shots) -> Iterator[PairOffset]:
    prints = {cell: fingerprint(picture) for cell, picture in shots.pictures.items()}
    for cell in sorted(prints):
        for near in forward_neighbours(cell):
            if near not in prints:
                continue
            here, there = shots.nominal[cell], shots.nominal[near]
            expected = Offset(dx_px=round(there.x_px - here.x_px), dy_px=round(there.y_px - here.y_px))
            match = register(prints[cell], prints[near], expected, shots.reach_px)
            if match is not None:
                yield match.between(cell, near)


def _ashlar(shots: Shots, python: str) -> Placed:
    """Let ASHLAR align the shots, as it does by default but for the largest shift, which is ours."""
    order = sorted(shots.pictures)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.npz"
        frames = np.stack([cv2.cvtColor(shots.pictures[cell], cv2.COLOR_RGB2GRAY) for cell in order])
        positions = np.array([(shots.nominal[cell].x_px, shots.nominal[cell].y_px) for cell in order])
        np.savez(path, frames=frames, positions=positions)
        done = subprocess.run(
            [python, str(_PEER), str(path), str(shots.reach_px)],
            env=os.environ | _ONE_THREAD,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"ASHLAR failed on {shots.name}: {done.stderr}")
    answer = json.loads(done.stdout.splitlines()[-1])
    found = [Position(x_px=x, y_px=y) for x, y in answer["positions"]]
    return Placed(exact=_count_exact(found, shots), cpu_s=answer["cpu_s"])


def _count_exact(found: Sequence[Position], shots: Shots) -> int:
    """Return how many positions, in the order of cells, are true to the whole pixel after the most common shift."""
    truth = [shots.truth[cell] for cell in sorted(shots.pictures)]
    off = [(at.x_px - true.dx_px, at.y_px - true.dy_px) for at, true in zip(found, truth, strict=True)]
    return max(
        # any of them may be the one that fixes the plane, which is shifted by a fraction where positions are
        Counter((round(x - left), round(y - top)) for x, y in off)[0, 0]
        for left, top in off
    )
