"""Calibration of lossy surveys: how sure placement says it is, and how far off, over simulated cities."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure, Result
from imageflow_domain.geometry import Position
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.ports import Area
from tests.mosaic.lossy_sets import FORMATS, Outcome, lossy
from tests.mosaic.worlds import Surveyed, city

SURVEYS = 48
SIDE = 10
WIDE = 20
SURE = 0.99
SLACK_POINTS = 2.0
TARGET_WRONG_PERCENT = 1.0
TARGET_SIGMAS = 1.25

_FORMATS = ("JPEG 95", "JPEG 90", "JPEG 75", "JPEG 60", "WebP 80", "0.75 bilinear", "1.25 bilinear", "1.25 bicubic")
_OVERLAP_PX = (104, 96)
_ROUNDING_PX = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Stated:
    """What was said of each screenshot, and what was so."""

    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    anchored: NDArray[np.bool_]
    wrong_offsets: int


def run() -> Result:
    """Survey many small cities with own and with accumulated errors of position, and three large ones."""
    all_stated = [survey(number) for number in range(SURVEYS)]
    confidence = np.concatenate([stated.confidence for stated in all_stated])
    right = np.concatenate([stated.right for stated in all_stated])
    anchored = np.concatenate([stated.anchored for stated in all_stated])
    sure = confidence >= SURE
    figures = [
        Figure(name="simulated lossy screenshots", value=float(confidence.size)),
        Figure(name="wrong offsets kept", value=sum(stated.wrong_offsets for stated in all_stated), at_most=0),
        Figure(name="anchored wrongly", value=float(np.count_nonzero(anchored & ~right)), at_most=0),
        Figure(
            name=f"wrong among those with a stated confidence of at least {SURE:g}",
            value=100 * float((~right[sure]).mean()),
            unit="%",
            at_most=TARGET_WRONG_PERCENT,
        ),
    ]
    for number, tenth in enumerate(np.array_split(np.argsort(confidence, kind="stable"), 10)):
        said, was = 100 * float(confidence[tenth].mean()), 100 * float(right[tenth].mean())
        interval = 196 * float(np.sqrt(said / 100 * (1 - said / 100) / tenth.size))
        name = f"decile {number + 1}: stated {said:.1f} %, observed {was:.1f} %"
        figures.append(Figure(name=name, value=abs(said - was), unit="points", at_most=interval + SLACK_POINTS))
    figures += [figure for name in ("JPEG 75", "0.75 bilinear", "1.25 bilinear") for figure in _uncertainty(name)]
    return Result(figures=tuple(figures))


def survey(number: int) -> Stated:
    """Survey one city; the number chooses world, water, format, and how positions err."""
    dice = np.random.default_rng(number)
    error_px = int(dice.choice([4, 8, 12]))
    base = city(
        Grid(rows=SIDE, cols=SIDE),
        seed=number,
        drift_seed=number + 100,
        view=[(344, 280), (504, 408)][number // len(_FORMATS) % 2],
        overlap_px=_OVERLAP_PX,
        drift_px=error_px,
        water=float(dice.choice([0.1, 0.3, 0.5, 0.7])),
        paused=bool(dice.integers(2)),
    )
    believed = _believed(base, dice, error_px, adds_up=bool(dice.integers(2)))
    format_name = _FORMATS[number % len(_FORMATS)]
    outcome = lossy(believed, format_name, reach_px=2 * error_px + 8, seed=number).placed()
    errors = outcome.errors_px()
    limit_px = 0.5 if outcome.solution.fidelity.whole_pixels else 1.0 + _ROUNDING_PX
    return Stated(
        confidence=np.array([p.confidence for p in outcome.placements]),
        right=np.array([errors[p.cell] <= limit_px for p in outcome.placements]),
        anchored=np.array([p.status is PlacementStatus.ANCHORED for p in outcome.placements]),
        wrong_offsets=len(outcome.wrong_offsets),
    )


def _believed(base: Surveyed, dice: np.random.Generator, error_px: int, *, adds_up: bool) -> Surveyed:
    """Believe positions that are off by an error of their own, or by one that grows from area to area."""
    own = {cell: dice.integers(-error_px, error_px + 1, 2) for cell in sorted(base.truth)}
    errors = _accumulated(dice, error_px / 8) if adds_up else own
    return replace(
        base,
        areas=[
            Area(cell=cell, position=Position(x_px=x + float(errors[cell][0]), y_px=y + float(errors[cell][1])))
            for cell, (x, y) in sorted(base.truth.items())
        ],
    )


def _accumulated(dice: np.random.Generator, scale: float) -> dict[Cell, NDArray[np.float64]]:
    """Errors of a camera that is moved by keys, row by row: each row with a bias of its own."""
    errors = {}
    begin = np.zeros(2)
    for row in range(SIDE):
        error = begin.copy()
        bias = scale * dice.normal((1.5, 0.5), (0.5, 0.3))
        for col in range(SIDE):
            errors[Cell(row=row, col=col)] = error.copy()
            error += dice.normal(bias, (0.8 * scale, 0.5 * scale))
        begin += scale * dice.normal((0, 1.5), 1)
    return errors


def _uncertainty(format_name: str) -> Iterator[Figure]:
    """Compare errors of a large survey with their stated standard errors, near its middle and far from it."""
    base = city(
        Grid(rows=WIDE, cols=WIDE), seed=1, view=(344, 280), overlap_px=_OVERLAP_PX, drift_px=8, water=0.1, paused=True
    )
    outcome = lossy(base, format_name, reach_px=24).placed()
    near, far = _in_sigmas(outcome)
    for where, sigmas in (("near the middle", near), ("far from it", far)):
        name = f"error / standard error, root mean square {where}, 20 x 20, {format_name}"
        at_most = TARGET_SIGMAS if FORMATS[format_name].factor != 1 else 1.0
        yield Figure(name=name, value=float(np.sqrt(np.mean(sigmas**2))), at_most=at_most)


def _in_sigmas(outcome: Outcome) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    placed = [p for p in outcome.placements if p.status is PlacementStatus.ANCHORED and p.sigma_px > 0]
    off = np.array([(p.x_px, p.y_px) for p in placed]) - np.array([outcome.survey.truth[p.cell] for p in placed])
    sigmas = (off - np.median(off, axis=0)) / np.array([p.sigma_px for p in placed])[:, None]
    middle = np.median([(p.cell.row, p.cell.col) for p in placed], axis=0)
    distance = np.array([np.hypot(p.cell.row - middle[0], p.cell.col - middle[1]) for p in placed])
    return sigmas[distance < WIDE / 4], sigmas[distance >= WIDE / 4]
