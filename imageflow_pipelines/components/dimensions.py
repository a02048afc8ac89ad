"""Length and width of one thing."""

import math
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from pydantic import Field

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Box, Detection, Detections, Mask, Measurement, Measurements, Point


class Measured(NamedTuple):
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
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.06, bytes_per_px=12)

    mm_per_px: float = Field(gt=0, le=1000)

    def __call__(self, mask: Mask) -> Measured:
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.pixels, connectivity=8)
        if count < 2:
            raise InvalidInput("The mask marks nothing: there is nothing to measure.")
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        rows, columns = np.nonzero(labels == largest)
        corners = _smallest_rectangle(rows, columns)
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


def _smallest_rectangle(
    rows: "np.typing.NDArray[np.int64]", columns: "np.typing.NDArray[np.int64]"
) -> list[tuple[float, float]]:
    """Return the corners of the smallest rectangle around all four corners of every pixel."""
    first, last = {}, {}
    for row, left, right in _ends(rows, columns):
        first[row], last[row] = left, right
    edge = [(x, y) for row in first for x in (first[row], last[row] + 1) for y in (row, row + 1)]
    rectangle = cv2.minAreaRect(cv2.convexHull(np.array(edge, np.float32)))
    return [(round(float(x), 4), round(float(y), 4)) for x, y in cv2.boxPoints(rectangle)]


def _ends(rows: "np.typing.NDArray[np.int64]", columns: "np.typing.NDArray[np.int64]") -> list[tuple[int, int, int]]:
    """Return row, first and last column of every row: only those can be corners of the hull."""
    found, starts = np.unique(rows, return_index=True)  # `nonzero` goes row by row
    ends = np.append(starts[1:], len(rows)) - 1
    return [(int(r), int(columns[s]), int(columns[e])) for r, s, e in zip(found, starts, ends, strict=True)]
