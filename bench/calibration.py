"""Calibration: how sure placement says it is, against how often it is right, over simulated cities."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure, Result
from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_domain.geometry import Offset, Position
from imageflow_domain.grid import Grid, forward_neighbours
from imageflow_domain.placement import PairOffset, Placement, PlacementStatus
from imageflow_mosaic.ambiguity import settle_ambiguous
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.placement import place
from imageflow_mosaic.registration import register

SURVEYS = 50
SIDE = 10
SURE = 0.99
TARGET_POINTS = 5.0
TARGET_WRONG_PERCENT = 1.0
TARGET_SURE_PERCENT = 95.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What was said of each shot, and what was so."""

    stated: NDArray[np.float64]
    right: NDArray[np.bool_]
    anchored: NDArray[np.bool_]
    wrong_offsets: int


def run() -> Result:
    """Survey many small cities: towns and lakes, paused and running, with and without a display."""
    outcomes = [survey(number) for number in range(SURVEYS)]
    stated = np.concatenate([outcome.stated for outcome in outcomes])
    right = np.concatenate([outcome.right for outcome in outcomes])
    anchored = np.concatenate([outcome.anchored for outcome in outcomes])
    sure = stated >= SURE
    figures = [
        Figure(name="simulated shots", value=float(stated.size), at_least=5_000),
        Figure(name="wrong among verified offsets", value=sum(o.wrong_offsets for o in outcomes), at_most=0),
        Figure(name="wrong among anchored shots", value=float(np.count_nonzero(anchored & ~right)), at_most=0),
        Figure(
            name=f"wrong among shots said to be {SURE:g} sure",
            value=100 * float((~right[sure]).mean()),
            unit="%",
            at_most=TARGET_WRONG_PERCENT,
        ),
        Figure(
            name=f"said to be {SURE:g} sure among anchored shots",
            value=100 * float(sure[anchored].mean()),
            unit="%",
            at_least=TARGET_SURE_PERCENT,
        ),
    ]
    tenths = np.array_split(np.argsort(stated, kind="stable"), 10)
    for number, tenth in enumerate(tenths):
        said, was = 100 * float(stated[tenth].mean()), 100 * float(right[tenth].mean())
        name = f"decile {number + 1}: stated {said:.1f} %, observed {was:.1f} %"
        figures.append(Figure(name=name, value=abs(said - was), unit="points", at_most=TARGET_POINTS))
    return Result(figures=tuple(figures))


def survey(number: int) -> Outcome:
    """Survey one city; the number chooses world, water, drift, display and whether it runs."""
    rng = np.random.default_rng(number)
    parameters = CityParameters(
        seed=number,
        drift_seed=number + 100,
        view=(320, 256),
        drift_px=int(rng.choice([4, 8, 12])),
        water=float(rng.choice([0.1, 0.3, 0.5, 0.7, 0.85])),
        paused=bool(rng.integers(2)),
        hud=bool(rng.integers(2)),
    )
    driver = CityDriver(parameters)
    areas = {area.cell: area for area in driver.areas(Grid(rows=SIDE, cols=SIDE))}
    truth = {cell: driver.truth(area) for cell, area in areas.items()}
    with driver:
        pictures = {cell: driver.grab(area).picture for cell, area in areas.items()}
    reach_px = driver.capabilities.reach_px
    prints = {cell: fingerprint(pixels, driver.hud) for cell, pixels in pictures.items()}
    pairs: list[PairOffset] = []
    for cell, area in areas.items():
        for near in forward_neighbours(cell):
            if near not in areas:
                continue
            expected = _between(area.position, areas[near].position)
            match = register(prints[cell], prints[near], expected, reach_px)
            if match is not None:
                pairs.append(match.between(cell, near))
    solution = place(list(areas.values()), pairs, reach_px=reach_px)
    placements = settle_ambiguous(
        solution, list(areas.values()), pictures.__getitem__, masks=driver.hud, reach_px=reach_px
    )
    wrong = sum(pair.offset != _between(truth[pair.reference], truth[pair.moving]) for pair in pairs)
    anchored = np.array([p.status is PlacementStatus.ANCHORED for p in placements])
    off = np.array([_off(p, truth[p.cell]) for p in placements])
    shift = np.median(off[anchored], axis=0) if anchored.any() else np.zeros(2)
    return Outcome(
        stated=np.array([p.confidence for p in placements]),
        right=(off == shift).all(axis=1),
        anchored=anchored,
        wrong_offsets=wrong,
    )


def _between(reference: Position | None, moving: Position | None) -> Offset:
    if reference is None or moving is None:
        raise ValueError("A city knows every position.")
    return Offset(dx_px=round(moving.x_px - reference.x_px), dy_px=round(moving.y_px - reference.y_px))


def _off(placement: Placement, truth: Position) -> tuple[float, float]:
    return placement.x_px - truth.x_px, placement.y_px - truth.y_px
