"""A part found by its reference image, and shown as the reference shows it."""

from functools import lru_cache
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field
from typing_extensions import override

from imageflow_domain.errors import PartNotFound
from imageflow_domain.inference import ModelId, ReferenceImage
from imageflow_images.intake import IntakeRules, decode_rgb
from imageflow_pipelines.alignment.finding import Wanted, find
from imageflow_pipelines.alignment.pose import Matrix, angle_deg, apply, corners, middle_of, scale_of, warped
from imageflow_pipelines.alignment.reference import Reference
from imageflow_pipelines.alignment.refinement import Motion
from imageflow_pipelines.alignment.search import Range
from imageflow_pipelines.component import Component, Context, Needs
from imageflow_pipelines.limits import MAX_PICTURE_PX
from imageflow_pipelines.tensors import ModelName
from imageflow_pipelines.values import (
    Box,
    Detection,
    Detections,
    Image,
    Measurement,
    Measurements,
    Point,
    Transform,
)

_RULES = IntakeRules(most_px=MAX_PICTURE_PX, reduces_depth=True)
_RIGID_SCALES = 0.95, 1.05


class Aligned(NamedTuple):
    """One port each."""

    image: Image
    transform: Transform
    detections: Detections
    measurements: Measurements


class Align(Component):
    """Find the part of a registered reference image, and cut it out as upright and as large as the reference shows it.

    `motion` says what may differ from the reference: `rigid`, place and angle; `similarity`, the scale too;
    `perspective`, the view of a flat part. `transform` maps the crop to the image, for `to_original`. `detections` has
    the outline in the image; `score`, `angle` (clockwise), `scale`, `x` and `y` (the middle) are measured there. The
    score is the share of the part's structure that is seen: up to half of it may be covered.
    """

    name: ClassVar[str] = "align"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.5, bytes_per_px=100)

    model: ModelName
    motion: Literal["rigid", "similarity", "perspective"] = "similarity"
    min_score: float = Field(default=0.5, ge=0.3, le=1, description="Below it the part is not found.")
    most_angle_deg: float = Field(default=180, ge=0, le=180, description="By how much the part may be turned.")
    least_scale: float = Field(default=0.75, ge=0.5, le=1, description="Of the part against the reference.")
    most_scale: float = Field(default=1.35, ge=1, le=2)
    label: str = Field(default="part", min_length=1, max_length=64)

    @override
    def cpu_s(self, megapixels: float) -> float:
        return 1.5 + self.needs.cpu_s_per_megapixel * megapixels

    @override
    def identity(self, context: Context) -> str:
        return context.models.reference(ModelId.parse(self.model)).model.digest

    def __call__(self, image: Image, context: Context) -> Aligned:
        """Raise `PartNotFound` with the score where the part is not there, or where its pose is not certain."""
        reference = _prepared(context.models.reference(ModelId.parse(self.model)))
        found = find(reference, image.grey(), self._wanted(), context.cancellation)
        if found.pose is None:
            raise PartNotFound(self.model, score=found.score, why=found.why)
        return self._aligned(image, reference, _rounded(found.pose), found.score)

    def _wanted(self) -> Wanted:
        least, most = _RIGID_SCALES if self.motion == "rigid" else (self.least_scale, self.most_scale)
        over = Range(most_angle_deg=self.most_angle_deg, least_scale=least, most_scale=most)
        return Wanted(motion=Motion(self.motion), range=over, min_score=self.min_score)

    def _aligned(self, image: Image, reference: Reference, pose: Matrix, score: float) -> Aligned:
        width, height = reference.width_px, reference.height_px
        x, y, derivative = middle_of(pose, width, height)
        outline = tuple(
            Point(x_px=round(float(x), 3), y_px=round(float(y), 3)) for x, y in apply(pose, corners(width, height))
        )
        measured: tuple[tuple[str, float, str], ...] = (
            ("score", score, ""),
            ("angle", angle_deg(derivative), "deg"),
            ("scale", scale_of(derivative), ""),
            ("x", x, "px"),
            ("y", y, "px"),
        )
        upright: Any = warped(image.pixels, pose, width, height)
        return Aligned(
            image=Image(np.ascontiguousarray(upright, np.uint8)),
            transform=Transform.of(pose),
            detections=Detections(
                (Detection(label=self.label, score=score, box=Box.around(outline), outline=outline),)
            ),
            measurements=Measurements(
                tuple(Measurement(name=name, value=round(float(value), 4), unit=unit) for name, value, unit in measured)
            ),
        )


def _rounded(pose: Matrix) -> Matrix:
    """Return a pose to some thousandths of a pixel: processors differ in the last digits of floats."""
    digits = ((5, 5, 3), (5, 5, 3), (8, 8, 8))
    return np.array(
        [
            [round(value, count) for value, count in zip(*row, strict=True)]
            for row in zip(pose.tolist(), digits, strict=True)
        ]
    )


@lru_cache(maxsize=8)
def _prepared(reference: ReferenceImage) -> Reference:
    return Reference(Image(decode_rgb(reference.data, _RULES)).grey())
