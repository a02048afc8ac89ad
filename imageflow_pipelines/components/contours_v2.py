"""Outlines of what a mask marks, and how many pixels each of them has."""

import math
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from cv2.typing import MatLike
from pydantic import Field

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.limits import MAX_FOUND
from imageflow_pipelines.values import Box, Cell, Detection, Detections, Mask, Point, Table

_COLUMNS = ("area_px", "perimeter_px", "circularity", "x_px", "y_px", "width_px", "height_px")


class Found(NamedTuple):
    """One port each; rows of `table` are in the order of `detections`."""

    detections: Detections
    table: Table


class ContoursV2(Component):
    """Outline every connected area of a mask, holes left out, in the order of rows from the top.

    The area is the number of its pixels: those of holes do not count. Corners are centres of border pixels; perimeter
    and circularity are those of the polygon through them. Circularity is 1 for a disc, less for anything else.
    `tolerance_px` drops corners that change the outline by less. Areas that lie in the hole of another are left out.
    """

    name: ClassVar[str] = "contours"
    version: ClassVar[int] = 2
    changes: ClassVar[str] = (
        "`area_px`, which `min_area_px` is compared with, is the number of pixels, holes left out, instead of the area "
        "of the polygon through the centres of the border pixels."
    )
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.12, bytes_per_px=36)

    min_area_px: float = Field(default=10, ge=0)
    tolerance_px: float = Field(default=1, ge=0, le=100)
    label: str = Field(default="contour", min_length=1, max_length=64)

    def __call__(self, mask: Mask) -> Found:
        """Raise `InvalidInput` for a mask with more than `MAX_FOUND` areas of the wanted size."""
        count, labels = cv2.connectedComponents(mask.pixels, connectivity=8)
        pixels = np.bincount(labels.ravel(), minlength=count)
        outlines, _ = cv2.findContours(mask.pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        areas = (int(pixels[labels[line[0, 0, 1], line[0, 0, 0]]]) for line in outlines)
        kept = [(area, line) for area, line in zip(areas, outlines, strict=True) if area >= self.min_area_px]
        if len(kept) > MAX_FOUND:
            raise InvalidInput(
                f"The mask has {len(kept):,} areas, more than {MAX_FOUND:,}: clean it or raise min_area_px."
            )
        kept.sort(key=lambda item: tuple(cv2.boundingRect(item[1]))[1::-1])
        return Found(
            detections=Detections(tuple(self._detection(line) for _, line in kept)),
            table=Table(_COLUMNS, tuple(_row(area, line) for area, line in kept)),
        )

    def _detection(self, line: MatLike) -> Detection:
        corners = cv2.approxPolyDP(line, self.tolerance_px, closed=True)[:, 0]
        return Detection(
            label=self.label,
            score=1.0,
            box=_box(line),
            outline=tuple(Point(x_px=float(x) + 0.5, y_px=float(y) + 0.5) for x, y in corners),
        )


def _box(line: MatLike) -> Box:
    x, y, width, height = cv2.boundingRect(line)
    return Box(x_px=float(x), y_px=float(y), width_px=float(width), height_px=float(height))


def _row(area: int, line: MatLike) -> tuple[Cell, ...]:
    perimeter = cv2.arcLength(np.asarray(line), closed=True)
    circularity = 4 * math.pi * cv2.contourArea(line) / perimeter**2 if perimeter else 0.0
    box = _box(line)
    return (area, perimeter, circularity, box.x_px, box.y_px, box.width_px, box.height_px)
