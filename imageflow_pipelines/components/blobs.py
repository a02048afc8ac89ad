"""Connected areas counted and measured."""

import math
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from pydantic import Field

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.limits import MAX_FOUND
from imageflow_pipelines.values import Box, Detection, Detections, Mask, Measurement, Measurements, Table

_COLUMNS = ("area_mm2", "x_mm", "y_mm", "width_mm", "height_mm")


class Found(NamedTuple):
    """One port each; rows of `table` are in the order of `detections`."""

    detections: Detections
    table: Table
    measurements: Measurements


class Blobs(Component):
    """Count and measure the connected areas of a mask, diagonal neighbours included, in the order of rows.

    x and y are those of the centre of mass. `mm_per_px` is the side of a pixel, by calibration with something of known
    size in the same plane. Measured are `count`, `total_area` and, if there is any, `largest_area`.
    """

    name: ClassVar[str] = "blobs"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.05, bytes_per_px=16)

    mm_per_px: float = Field(gt=0, le=1000)
    min_area_mm2: float = Field(default=0, ge=0)
    max_area_mm2: float | None = Field(default=None, gt=0)
    label: str = Field(default="blob", min_length=1, max_length=64)

    def __call__(self, mask: Mask) -> Found:
        """Raise `InvalidInput` for a mask with more than `MAX_FOUND` areas of the wanted size."""
        _, _, stats, centres = cv2.connectedComponentsWithStats(mask.pixels, connectivity=8)
        stats, centres = stats[1:], centres[1:]  # the first is the background
        areas = stats[:, cv2.CC_STAT_AREA] * self.mm_per_px**2
        most = np.inf if self.max_area_mm2 is None else self.max_area_mm2
        kept = np.flatnonzero((areas >= self.min_area_mm2) & (areas <= most))
        if len(kept) > MAX_FOUND:
            raise InvalidInput(
                f"The mask has {len(kept):,} areas, more than {MAX_FOUND:,}: clean it or raise min_area."
            )
        boxes = [Box(**dict(zip(_BOX, map(float, stats[i, :4]), strict=True))) for i in kept]
        return Found(
            detections=Detections(tuple(Detection(label=self.label, score=1.0, box=box) for box in boxes)),
            table=Table(
                _COLUMNS,
                tuple(
                    (
                        round(float(areas[i]), 6),
                        round((float(centres[i, 0]) + 0.5) * self.mm_per_px, 6),
                        round((float(centres[i, 1]) + 0.5) * self.mm_per_px, 6),
                        round(box.width_px * self.mm_per_px, 6),
                        round(box.height_px * self.mm_per_px, 6),
                    )
                    for i, box in zip(kept, boxes, strict=True)
                ),
            ),
            measurements=Measurements(tuple(self._measured([round(float(areas[i]), 6) for i in kept]))),
        )

    def _measured(self, areas: list[float]) -> list[Measurement]:
        measured = [
            Measurement(name="count", value=float(len(areas))),
            Measurement(name="total_area", value=round(math.fsum(areas), 6), unit="mm2"),
        ]
        if areas:
            measured.append(Measurement(name="largest_area", value=max(areas), unit="mm2"))
        return measured


_BOX = ("x_px", "y_px", "width_px", "height_px")
