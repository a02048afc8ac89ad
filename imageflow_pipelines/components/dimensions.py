"""Length and width of one thing."""

import math
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Box, Detection, Detections, Mask, Measurement, Measurements, Point


class Measured(NamedTuple):
    """One port each; the one detection outlines the rectangle that was measured."""

    measurements: Measurements
    detections: Detections


class Dimensions(Component):
    """Measure the largest connected area of a mask, however it lies: `length`, `width`, `area` and `angle`.

    Length and width are the sides of the smallest rectangle around it, outer edge to outer edge; the angle is that of
    the longer side, clockwise from rightwards, 0 to 180 degrees. `mm_per_px` is the side of a pixel, by calibration
    with something of known size in the same plane.
    """

    name: ClassVar[str] = "dimensions"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.06, bytes_per_px=16)

    mm_per_px: float = Field(gt=0, le=1000)

    def __call__(self, mask: Mask) -> Measured:
        """Raise `InvalidInput` for a mask that marks nothing."""
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.pixels, connectivity=8)
        if count < 2:
            raise InvalidInput("The mask marks nothing: there is nothing to measure.")
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        left, top, width, height = (int(side) for side in stats[largest, :4])
        inside = labels[top : top + height, left : left + width] == largest
        corners = [(x + left, y + top) for x, y in _smallest_rectangle(inside)]
        sides = [math.dist(corners[i], corners[(i + 1) % 4]) for i in range(4)]
        longer = int(np.argmax(sides))
        (x0, y0), (x1, y1) = corners[longer], corners[(longer + 1) % 4]
        angle = round(math.degrees(math.atan2(y1 - y0, x1 - x0)), 3) % 180
        area = int(stats[largest, cv2.CC_STAT_AREA])
        points = tuple(Point(x_px=x, y_px=y) for x, y in corners)
        return Measured(
            measurements=Measurements(
                (
                    Measurement(name="length", value=round(max(sides) * self.mm_per_px, 6), unit="mm"),
                    Measurement(name="width", value=round(min(sides) * self.mm_per_px, 6), unit="mm"),
                    Measurement(name="area", value=round(area * self.mm_per_px**2, 6), unit="mm2"),
                    Measurement(name="angle", value=angle, unit="deg"),
                )
            ),
            detections=Detections(
                (Detection(label="measured", score=1.0, box=Box.around(points), outline=points),),
            ),
        )


def _smallest_rectangle(inside: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Return the corners of the smallest rectangle around the corners of all pixels; each row has one at least."""
    # Only the ends of rows can be corners of the hull.
    firsts = inside.argmax(axis=1)
    lasts = inside.shape[1] - inside[:, ::-1].argmax(axis=1)
    rows = np.arange(len(inside))
    edge = [np.stack([x, y], axis=1) for x in (firsts, lasts) for y in (rows, rows + 1)]
    rectangle = cv2.minAreaRect(cv2.convexHull(np.concatenate(edge).astype(np.float32)))
    return [(round(float(x), 4), round(float(y), 4)) for x, y in cv2.boxPoints(rectangle)]
