"""`align` on parts at random poses: how many are found exactly, how many wrong ones are taken, and how long it takes.

Parts are drawn; photographs are those of the folder that IMAGEFLOW_BENCH_PHOTOGRAPHS names, if it does.
"""

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.figures import Figure, Result
from bench.part_scenes import PartScene, part_scene
from imageflow_domain.cancellation import Cancellation
from imageflow_models.products import Split, draw
from imageflow_pipelines.alignment.finding import Found, Wanted, find
from imageflow_pipelines.alignment.pose import Matrix, angle_deg, middle_of
from imageflow_pipelines.alignment.reference import Reference
from imageflow_pipelines.alignment.refinement import Motion
from imageflow_pipelines.alignment.search import Range
from imageflow_pipelines.values import Pixels

_SCENES = 500
_WITHOUT = 250
_COVERED = 0.3
_MARGIN_PX = 6
_CONTRAST = 20
"""Grey levels between the belt and a part."""
_MOST_OFF_PX, _MOST_OFF_DEG = 1.0, 0.2
_WANTED = Wanted(
    motion=Motion.SIMILARITY, range=Range(most_angle_deg=180, least_scale=0.75, most_scale=1.35), min_score=0.5
)
_FOLDER = "IMAGEFLOW_BENCH_PHOTOGRAPHS"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A grey image of a part; parts of one design look alike."""

    pixels: Pixels
    design: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One search."""

    found: Found
    is_exact: bool
    """Its middle and angle are those of the part."""
    seconds: float


def run() -> Result:
    """Measure all kinds of parts that there are."""
    kinds = {"drawn parts": list(drawn_parts())}
    if _FOLDER in os.environ:
        kinds["photographs"] = list(_photographs(Path(os.environ[_FOLDER])))
    figures = [figure for kind, parts in kinds.items() for figure in _figures(kind, parts)]
    return Result(figures=tuple(figures))


def _figures(kind: str, parts: list[Part]) -> Iterator[Figure]:
    shown = [_tried(Reference(part.pixels), part.pixels, seed) for seed, part in _each(parts, _SCENES)]
    taken = [trial for trial in shown if trial.found.pose is not None]
    wrong = sum(not trial.is_exact for trial in taken)
    share = 100 * sum(trial.is_exact for trial in taken) / len(shown)
    yield Figure(name=f"{kind}: within 1 px and 0.2 degrees of {len(shown)}", value=share, unit="%", at_least=98)
    yield Figure(name=f"{kind}: taken at a wrong pose", value=wrong, at_most=0)
    others = [
        _tried(Reference(part.pixels), _another(part, parts, seed), seed).found.pose is not None
        for seed, part in _each(parts, _WITHOUT)
    ]
    yield Figure(name=f"{kind}: taken of {len(others)} images of another part", value=sum(others), at_most=0)
    times = np.array([trial.seconds for trial in shown])
    yield Figure(name=f"{kind}: processor time of a search, median", value=float(np.median(times)), unit="s")
    yield Figure(name=f"{kind}: processor time of a search, 95 %", value=float(np.quantile(times, 0.95)), unit="s")


def _tried(reference: Reference, part: Pixels, seed: int) -> Trial:
    scene = part_scene(part, np.random.default_rng([seed, 7]), covered=_COVERED)
    _ = reference.alike  # computed once a reference
    begun_s = time.process_time()
    found = find(reference, scene.pixels, _WANTED, Cancellation())
    seconds = time.process_time() - begun_s
    exact = found.pose is not None and is_exact(found.pose, scene, part)
    return Trial(found=found, is_exact=exact, seconds=seconds)


def is_exact(pose: Matrix, scene: PartScene, part: Pixels) -> bool:
    """Return whether a pose is that of a scene, to a pixel and a fifth of a degree."""
    height, width = part.shape
    x, y, derivative = middle_of(pose, width, height)
    true_x, true_y, true_derivative = middle_of(scene.pose, width, height)
    turned = (angle_deg(derivative) - angle_deg(true_derivative) + 180) % 360 - 180
    return math.dist((x, y), (true_x, true_y)) <= _MOST_OFF_PX and abs(turned) <= _MOST_OFF_DEG


def _each(parts: list[Part], count: int) -> Iterator[tuple[int, Part]]:
    for seed in range(count):
        yield seed, parts[seed % len(parts)]


def _another(part: Part, parts: list[Part], seed: int) -> Pixels:
    others = [each for each in parts if each.design != part.design]
    return others[seed % len(others)].pixels


def drawn_parts(count: int = 50) -> Iterator[Part]:
    """Draw good parts of all designs, cut out close to their outline."""
    for seed in range(count):
        drawn = draw(Split.VALIDATION, seed, ())
        grey = cv2.cvtColor(drawn.pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8)
        smooth = cv2.GaussianBlur(grey, (0, 0), 2).astype(np.int16)
        belt = np.median(np.concatenate([smooth[0], smooth[-1], smooth[:, 0], smooth[:, -1]]))
        left, top, width, height = cv2.boundingRect((np.abs(smooth - belt) > _CONTRAST).astype(np.uint8))
        cut = grey[
            max(0, top - _MARGIN_PX) : top + height + _MARGIN_PX, max(0, left - _MARGIN_PX) : left + width + _MARGIN_PX
        ]
        yield Part(pixels=np.ascontiguousarray(cut), design=drawn.design)


def _photographs(folder: Path) -> Iterator[Part]:
    paths = sorted(folder.glob("*.jpg"))
    for path in paths[:: max(1, len(paths) // 50)][:50]:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise ValueError(f"'{path}' is no image.")
        yield Part(pixels=np.asarray(grey, np.uint8), design=path.name)
