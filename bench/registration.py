"""Registration: fingerprints and offsets to four neighbours, against decoding the same stored shots."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.figures import Figure, Result, spending
from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_domain.geometry import Offset, Position
from imageflow_domain.grid import Cell, Grid, forward_neighbours
from imageflow_domain.placement import PairOffset
from imageflow_domain.ports import Area
from imageflow_mosaic.codec import decode_picture, encode_screenshot
from imageflow_mosaic.fingerprint import Fingerprint, fingerprint
from imageflow_mosaic.placement import place
from imageflow_mosaic.registration import Match, register

ROUNDS = 5
CITY_TARGET = 3.0
OPENTTD_TARGET = 5.0
OPENTTD_REACH_PX = 160

SIDE = 100
OUTLIERS = 0.05
SOLVE_TARGET_S = 1.5

_EXAMPLE = Path(__file__).parents[1] / "examples" / "openttd-small"


@dataclass(frozen=True, kw_only=True)
class Shots:
    """Stored shots and where they are believed to lie."""

    name: str
    positions: Mapping[Cell, Position]
    reach_px: int
    stored: Mapping[Cell, bytes]
    originals: Mapping[Cell, bytes] | None = None
    """The files that they came from, where these are of another kind."""


def run() -> Result:
    """Return registration's cost as multiples of decoding, and the cost of the solve."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # several threads spin while they wait, which would count as work
    try:
        figures = (*_figures(city(), CITY_TARGET), *_figures(openttd(), OPENTTD_TARGET), *_solving())
    finally:
        cv2.setNumThreads(threads)
    return Result(figures=figures)


def city() -> Shots:
    """Return a running city's shots."""
    with CityDriver(CityParameters(seed=7)) as driver:
        areas = driver.areas(Grid(cols=5, rows=5))
        return Shots(
            name="running city 1280x1024",
            positions={area.cell: area.position for area in areas if area.position is not None},
            reach_px=driver.capabilities.reach_px,
            stored={area.cell: encode_screenshot(driver.grab(area).picture) for area in areas},
        )


def openttd() -> Shots:
    """Return the example frames at their nominal positions."""
    with (_EXAMPLE / "positions.csv").open() as table:
        rows = {Cell(row=int(row["row"]), col=int(row["col"])): row for row in csv.DictReader(table)}
    originals = {cell: (_EXAMPLE / row["file"]).read_bytes() for cell, row in rows.items()}
    return Shots(
        name="OpenTTD 1024x768",
        positions={cell: Position(x_px=float(row["x"]), y_px=float(row["y"])) for cell, row in rows.items()},
        reach_px=OPENTTD_REACH_PX,
        stored={cell: encode_screenshot(decode_picture(data)) for cell, data in originals.items()},
        originals=originals,
    )


def _figures(shots: Shots, target: float) -> tuple[Figure, ...]:
    pictures = {cell: decode_picture(data) for cell, data in shots.stored.items()}
    decoding_s = _least_cpu_s(lambda: _decode(shots.stored))
    fingerprinting_s = _least_cpu_s(lambda: {cell: fingerprint(pixels) for cell, pixels in pictures.items()})
    registering_s = _least_cpu_s(lambda: _register(shots, pictures))
    count = len(pictures)
    figures = [
        Figure(
            name=f"registration CPU a shot / decoding it from lossless WebP, {shots.name}",
            value=registering_s / decoding_s,
            at_most=target,
        ),
        Figure(name=f"registration CPU a shot, {shots.name}", value=1e3 * registering_s / count, unit="ms"),
        Figure(name=f"of this its fingerprint, {shots.name}", value=1e3 * fingerprinting_s / count, unit="ms"),
        Figure(name=f"decoding a shot from lossless WebP, {shots.name}", value=1e3 * decoding_s / count, unit="ms"),
    ]
    originals = shots.originals
    if originals is not None:
        original_s = _least_cpu_s(lambda: _decode(originals))
        name = f"registration CPU a shot / decoding it from its PNG, {shots.name}"
        figures.append(Figure(name=name, value=registering_s / original_s, at_most=target))
    return tuple(figures)


def _decode(stored: Mapping[Cell, bytes]) -> None:
    for data in stored.values():
        decode_picture(data)


def _register(shots: Shots, pictures: Mapping[Cell, np.ndarray]) -> list[Match | None]:
    """Fingerprint every shot once, and register it with its four forward neighbours."""
    prints: dict[Cell, Fingerprint] = {}
    found = []
    for cell in sorted(pictures):
        for near in (cell, *forward_neighbours(cell)):
            if near in pictures and near not in prints:
                prints[near] = fingerprint(pictures[near])
            if near in pictures and near != cell:
                expected = _expected(shots.positions[cell], shots.positions[near])
                found.append(register(prints[cell], prints[near], expected, shots.reach_px))
    return found


def _expected(reference: Position, moving: Position) -> Offset:
    return Offset(dx_px=round(moving.x_px - reference.x_px), dy_px=round(moving.y_px - reference.y_px))


def _solving() -> tuple[Figure, ...]:
    """Solve 100 x 100 shots of known places, one offset in twenty grossly wrong."""
    rng = np.random.default_rng(5)
    truth = {
        cell: np.array([1000 * cell.col, 800 * cell.row]) + rng.integers(-30, 31, 2)
        for cell in Grid(rows=SIDE, cols=SIDE).cells()
    }
    pairs = []
    for cell in truth:
        for near in forward_neighbours(cell):
            if near in truth:
                error = rng.integers(-160, 161, 2) if rng.random() < OUTLIERS else np.zeros(2, np.int64)
                pairs.append(_pair(cell, near, truth[near] - truth[cell] + error))
    areas = [Area(cell=cell, position=Position(x_px=1000.0 * cell.col, y_px=800.0 * cell.row)) for cell in truth]
    with spending() as spent:
        solution = place(areas, pairs, reach_px=160)
    off = np.array([(p.x_px, p.y_px) for p in solution.placements]) - np.array(
        [truth[p.cell] for p in solution.placements]
    )
    exact = float((off == np.median(off, axis=0)).all(axis=1).mean())
    name = f"{len(truth):,} shots, {len(pairs):,} offsets, {OUTLIERS:.0%} of them wrong"
    return (
        Figure(name=f"solve, CPU, {name}", value=spent.cpu_s, unit="s", at_most=SOLVE_TARGET_S),
        Figure(name=f"placed exactly, {name}", value=100 * exact, unit="%", at_least=100.0),
    )


def _pair(reference: Cell, moving: Cell, offset: Sequence[int] | np.ndarray) -> PairOffset:
    return PairOffset(
        reference=reference,
        moving=moving,
        offset=Offset(dx_px=int(offset[0]), dy_px=int(offset[1])),
        votes=100,
        agreement=1.0,
        compared_px=10_000,
        decisive=True,
    )


def _least_cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the quickest of several rounds: the one that other programs disturbed least."""
    spent_s = []
    for _ in range(ROUNDS):
        with spending() as spent:
            work()
        spent_s.append(spent.cpu_s)
    return min(spent_s)
