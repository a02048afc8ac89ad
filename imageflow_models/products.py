"""Drawn products with known defects: what models are trained on and judged by.

Three designs of an assembled part, each with its own outline, fasteners and printed mark, on a conveyor under varied
light. The same split and seed give the same picture, and no seed of one split is a seed of another.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_models.canvas import Coverage, Points, ProductCanvas

SIZE_PX = 192
LEAST_CONTRAST = 0.05
MOST_CONTRAST = 0.40

Light = NDArray[np.float32]
"""A share of full scale: height x width x 3, height x width, or one colour."""
Pixels = NDArray[np.uint8]
"""Height x width x 3, RGB."""


class Split(IntEnum):
    """What a picture is for. Seeds of different splits have nothing in common."""

    TRAINING = 1
    VALIDATION = 2
    """Thresholds are set by it, and the gate's golden set is taken from it."""
    HELD_OUT = 3
    """Nothing is ever chosen by it."""


class DefectKind(StrEnum):
    """What is wrong with a product; the model's labels are these, in this order."""

    SCRATCH = "scratch"
    DENT = "dent"
    MISSING_PART = "missing_part"
    """A fastener is not in its seat."""
    WRONG_LABEL = "wrong_label"
    """The mark is that of another design."""


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One thing that is wrong, and where."""

    kind: DefectKind
    contrast: float
    """How much the defect's light differs from its surroundings', as a share of full scale before lighting and blur;
    for a missing part, how much its seat and fasteners like it do; for a wrong label, how much its mark does."""
    box: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels; right and bottom lie outside."""
    mask: NDArray[np.bool_]
    """Height x width: the pixels that it touches."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A picture and everything that is wrong with what it shows."""

    pixels: Pixels
    design: str
    defects: tuple[Defect, ...]

    @property
    def is_good(self) -> bool:
        """Whether it was drawn without any defect."""
        return not self.defects


@dataclass(frozen=True, kw_only=True)
class _Design:
    name: str
    half_size: tuple[float, float]
    corner: float
    fasteners: tuple[tuple[float, float], ...]
    mark: str
    label: tuple[float, float]


def _ring(count: int, radius: float) -> tuple[tuple[float, float], ...]:
    angles = [2 * math.pi * i / count + math.pi / count for i in range(count)]
    return tuple((radius * math.cos(angle), radius * math.sin(angle)) for angle in angles)


_DESIGNS = (
    _Design(
        name="valve",
        half_size=(1.15, 0.8),
        corner=0.18,
        fasteners=((-0.93, -0.58), (0.93, -0.58), (0.93, 0.58), (-0.93, 0.58)),
        mark="triangle",
        label=(0.0, 0.0),
    ),
    _Design(name="disc", half_size=(1.0, 1.0), corner=1.0, fasteners=_ring(6, 0.74), mark="cross", label=(0.0, 0.0)),
    _Design(
        name="plate",
        half_size=(0.8, 1.05),
        corner=0.4,
        fasteners=((0.0, -0.8), (-0.55, 0.0), (0.55, 0.0), (-0.35, 0.75), (0.35, 0.75)),
        mark="bars",
        label=(0.0, -0.32),
    ),
)
_MARKS = tuple(design.mark for design in _DESIGNS)
_FASTENER = 0.13
_LABEL = (0.34, 0.22)


def draw(split: Split, seed: int, kinds: tuple[DefectKind, ...] | None = None) -> Drawn:
    """Draw one product.

    Args:
        split: What for.
        seed: Which one, from 0 on.
        kinds: The defects that it has; without, half of all products are good and the others have one to three.
    """
    random = np.random.default_rng([split, seed])
    chosen = _choose(random)
    return _Drawing(random, chosen if kinds is None else kinds).draw()


def _choose(random: np.random.Generator) -> tuple[DefectKind, ...]:
    count = int(random.choice(4, p=(0.5, 0.3, 0.15, 0.05)))
    picked = tuple(random.choice(list(DefectKind), count))
    kinds = tuple(DefectKind(kind) for kind in picked)
    # A product has one label.
    extra_labels = kinds.count(DefectKind.WRONG_LABEL) - 1
    return kinds if extra_labels < 1 else tuple(dict.fromkeys(kinds))


class _Drawing:
    """One product while it is drawn: light is a share of full scale, grey before colour."""

    def __init__(self, random: np.random.Generator, kinds: tuple[DefectKind, ...]) -> None:
        self._random = random
        self._kinds = kinds
        self._design = _DESIGNS[int(random.integers(len(_DESIGNS)))]
        self._canvas = ProductCanvas(
            size_px=SIZE_PX,
            middle_px=(SIZE_PX / 2 + self._between(-8, 8), SIZE_PX / 2 + self._between(-8, 8)),
            unit_px=self._between(62, 74),
            angle_rad=math.radians(self._between(-8, 8)),
        )
        self._defects: list[Defect] = []
        self._taken = np.zeros((SIZE_PX, SIZE_PX), np.float32)

    def draw(self) -> Drawn:
        tone = self._between(0.38, 0.68)
        tint = self._tint(0.05)
        picture = self._background()
        body = self._body()
        picture = _over(picture, body, tone * tint * (1 + self._grain(0.012))[..., None])
        picture = _over(picture, np.clip(self._rim(body), 0, 1), np.float32(tone * 0.8) * tint)
        picture = self._label(picture, tone)
        picture = self._fasteners(picture, tone)
        for kind in self._kinds:
            if kind is DefectKind.SCRATCH:
                picture = self._scratch(picture, body)
            elif kind is DefectKind.DENT:
                picture = self._dent(picture, body)
        return Drawn(pixels=self._photograph(picture), design=self._design.name, defects=tuple(self._defects))

    def _background(self) -> Light:
        belt = self._between(0.08, 0.3) * self._tint(0.1)
        rough = cv2.GaussianBlur(self._random.standard_normal((SIZE_PX, SIZE_PX), np.float32), (0, 0), 1.5)
        return np.asarray(belt * (1 + 0.15 * rough[..., None]), np.float32)

    def _body(self) -> Coverage:
        width, height = self._design.half_size
        return self._canvas.rounded(width, height, self._design.corner)

    def _rim(self, body: Coverage) -> Coverage:
        """Return a bevel along the body's edge."""
        inner = cv2.erode(body, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
        return np.asarray((body - inner) * self._between(0.2, 0.8), np.float32)

    def _label(self, picture: Light, tone: float) -> Light:
        x, y = self._design.label
        paper = self._between(0.5, 0.9)
        sticker = self._canvas.rectangle(x, y, *_LABEL)
        mark, is_wrong = self._design.mark, DefectKind.WRONG_LABEL in self._kinds
        if is_wrong:
            others = [other for other in _MARKS if other != mark]
            mark = others[int(self._random.integers(len(others)))]
        contrast = self._contrast()
        # At least as far from the body as ink from paper, so that the sticker is never the fainter of the two.
        paper = paper if abs(paper - tone) > LEAST_CONTRAST else tone + 2 * LEAST_CONTRAST
        tint = self._tint(0.12)
        picture = _over(picture, sticker, paper * tint)
        picture = _over(picture, _mark(self._canvas, mark, x, y), (paper - contrast) * tint)
        self._taken = np.maximum(self._taken, sticker)
        if is_wrong:
            self._note(DefectKind.WRONG_LABEL, contrast, sticker)
        return picture

    def _fasteners(self, picture: Light, tone: float) -> Light:
        seats = list(self._design.fasteners)
        gone = min(self._kinds.count(DefectKind.MISSING_PART), len(seats) - 1)
        missing = set(self._random.permutation(len(seats))[:gone].tolist())
        contrast = self._contrast()
        light = tone + contrast * (1 if self._random.random() < 0.5 else -1)
        depth = tone - contrast
        tint = self._tint(0.03)
        for i, (x, y) in enumerate(seats):
            seat = self._canvas.ellipse(x, y, _FASTENER, _FASTENER)
            if i in missing:
                hole = self._canvas.ellipse(x, y, _FASTENER * 0.45, _FASTENER * 0.45)
                picture = _over(
                    picture, seat - self._canvas.ellipse(x, y, _FASTENER * 0.8, _FASTENER * 0.8), depth * tint
                )
                picture = _over(picture, hole, depth * tint)
                self._note(DefectKind.MISSING_PART, contrast, seat)
            else:
                angle = self._between(0, math.pi)
                picture = _over(picture, seat, light * tint)
                picture = _over(picture, self._slot(x, y, angle), (light - max(contrast, 0.12)) * tint)
            self._taken = np.maximum(self._taken, seat)
        return picture

    def _slot(self, x: float, y: float, angle: float) -> Coverage:
        along = np.array([math.cos(angle), math.sin(angle)])
        across = np.array([-along[1], along[0]])
        corners = [(-0.8, -0.17), (0.8, -0.17), (0.8, 0.17), (-0.8, 0.17)]
        points = np.array([(a * along + b * across) * _FASTENER for a, b in corners])
        return self._canvas.polygon(points + np.array([x, y]))

    def _scratch(self, picture: Light, body: Coverage) -> Light:
        contrast, sign = self._contrast(), 1 if self._random.random() < 0.6 else -1
        width_px = self._between(1.6, 3.2)
        coverage = self._free(lambda: self._canvas.stroke(self._curve(), width_px), body, share=0.85)
        coverage = coverage * body
        self._note(DefectKind.SCRATCH, contrast, coverage)
        return picture + (sign * contrast) * coverage[..., None]

    def _curve(self) -> Points:
        """Return a bent line somewhere on the product."""
        start = self._somewhere()
        angle, bend = self._between(0, 2 * math.pi), self._between(-0.25, 0.25)
        length, steps = self._between(0.35, 1.1), 8
        angles = angle + bend * np.arange(steps)
        moves = np.stack([np.cos(angles), np.sin(angles)], axis=1) * length / steps
        return np.concatenate([[start], start + np.cumsum(moves, axis=0)])

    def _dent(self, picture: Light, body: Coverage) -> Light:
        """Press a hollow in: lit on the side that faces the light, in shade on the other."""
        contrast = self._contrast()
        light = self._between(0, 2 * math.pi)

        def shape() -> Coverage:
            x, y = self._somewhere()
            return self._canvas.ellipse(x, y, self._between(0.09, 0.2), self._between(0.09, 0.2))

        hollow = self._free(shape, body, share=0.97)
        ys, xs = np.nonzero(hollow > 0.5)
        yy, xx = np.mgrid[:SIZE_PX, :SIZE_PX].astype(np.float32)
        reach = max(float(np.ptp(xs)), float(np.ptp(ys))) / 2 + 1
        slope = ((xx - xs.mean()) * math.cos(light) + (yy - ys.mean()) * math.sin(light)) / reach
        shade = np.clip(1.4 * slope, -1, 1) * cv2.GaussianBlur(hollow, (0, 0), 0.8)
        self._note(DefectKind.DENT, contrast, hollow)
        return np.asarray(picture + (contrast * shade)[..., None], np.float32)

    def _free(self, shape: Callable[[], Coverage], body: Coverage, *, share: float) -> Coverage:
        """Return the first of some tries that lies on the body and off what was drawn before, else the best of them."""
        room = body * (1 - self._taken)
        best, most = None, -1.0
        for _ in range(30):
            coverage = shape()
            inside = float((coverage * room).sum() / max(coverage.sum(), 1e-6))
            if inside > most:
                best, most = coverage, inside
            if inside >= share:
                break
        assert best is not None  # noqa: S101 - for the type checker
        self._taken = np.maximum(self._taken, cv2.dilate(best, np.ones((5, 5), np.uint8)))
        return best

    def _somewhere(self) -> Points:
        width, height = self._design.half_size
        return np.array([self._between(-width, width), self._between(-height, height)]) * 0.95

    def _note(self, kind: DefectKind, contrast: float, coverage: Coverage) -> None:
        mask = coverage > 0.25
        ys, xs = np.nonzero(mask)
        box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
        self._defects.append(Defect(kind=kind, contrast=contrast, box=box, mask=mask))

    def _photograph(self, picture: Light) -> Pixels:
        """Light, blur, colour cast and noise of a camera over a line."""
        yy, xx = (np.mgrid[:SIZE_PX, :SIZE_PX] / (SIZE_PX - 1) - 0.5).astype(np.float32)
        angle = self._between(0, 2 * math.pi)
        slope = self._between(0, 0.35) * (xx * math.cos(angle) + yy * math.sin(angle))
        vignette = 1 - self._between(0, 0.35) * (xx**2 + yy**2)
        light = self._between(0.75, 1.2) * (1 + slope) * vignette
        picture = picture * light[..., None] * self._tint(0.05)
        sigma = self._between(0, 1.1)
        if sigma > 0.25:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
        noise = self._random.standard_normal(picture.shape, np.float32) * self._between(0.002, 0.012)
        return np.clip(np.round((picture + noise) * 255), 0, 255).astype(np.uint8)

    def _grain(self, amount: float) -> Light:
        """Return the brushed grain of a surface: noise drawn out along one axis."""
        noise = self._random.standard_normal((SIZE_PX, SIZE_PX), np.float32)
        length = 15
        kernel = np.full((1, length), 1 / math.sqrt(length), np.float32)
        along = kernel if self._random.random() < 0.5 else kernel.T
        return np.asarray(cv2.filter2D(noise, -1, along) * self._between(0, amount), np.float32)

    def _contrast(self) -> float:
        """Return a contrast between the bounds, as often between 5 and 10 % as between 10 and 20 %."""
        return float(np.exp(self._between(math.log(LEAST_CONTRAST), math.log(MOST_CONTRAST))))

    def _tint(self, amount: float) -> Light:
        return (1 + self._random.uniform(-amount, amount, 3)).astype(np.float32)

    def _between(self, low: float, high: float) -> float:
        return float(self._random.uniform(low, high))


def _over(picture: Light, coverage: Coverage, light: Light) -> Light:
    """Return a picture with `light`, one for all pixels or one each, where a shape covers it."""
    rows, columns = (np.flatnonzero(coverage.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return picture
    where = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    share = coverage[where][..., None]
    result = picture.copy()
    result[where] = picture[where] * (1 - share) + (light[where] if light.ndim == 3 else light) * share
    return result


def _mark(canvas: ProductCanvas, mark: str, x: float, y: float) -> Coverage:
    """Return what is printed on a label; no mark is another one's mirror image."""
    if mark == "triangle":
        return canvas.polygon(np.array([(x - 0.15, y + 0.13), (x + 0.15, y + 0.13), (x, y - 0.15)]))
    if mark == "cross":
        return np.maximum(canvas.rectangle(x, y, 0.16, 0.05), canvas.rectangle(x, y, 0.05, 0.16))
    return np.maximum(canvas.rectangle(x, y - 0.09, 0.2, 0.045), canvas.rectangle(x, y + 0.09, 0.2, 0.045))
