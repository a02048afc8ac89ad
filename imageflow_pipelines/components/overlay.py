"""What was found, drawn on the picture."""

import re
import zlib
from typing import ClassVar, Self

import cv2
import numpy as np
from pydantic import Field, model_validator

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Detection, Detections, Image, Mask, Measurements, Pixels, Text

_PALETTE = ((230, 57, 70), (29, 161, 242), (46, 196, 82), (255, 159, 28), (155, 93, 229), (0, 187, 170))
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FAR_PX = 2**20


class Overlay(Component):
    """Draw boxes, outlines and labels on a picture, tint what a mask marks, and write measurements and text on top.

    Each label has a colour of its own, or all have `colour`. Letters beyond ASCII are written as `?`.
    """

    name: ClassVar[str] = "overlay"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.05, bytes_per_px=12)

    colour: str | None = Field(default=None, description="As #rrggbb.")
    line_px: int = Field(default=3, ge=1, le=50)
    labels: bool = True
    tint: float = Field(default=0.5, ge=0, le=1, description="How much the mask's colour covers.")

    @model_validator(mode="after")
    def _colour_is_hex(self) -> Self:
        if self.colour is not None and not _COLOUR.fullmatch(self.colour):
            raise ValueError("colour looks like #e63946")
        return self

    def __call__(
        self,
        image: Image,
        detections: tuple[Detections, ...] = (),
        mask: Mask | None = None,
        measurements: Measurements | None = None,
        text: Text | None = None,
    ) -> Image:
        """Return RGB of the picture's size; raise `InvalidInput` for a mask of another size."""
        pixels = cv2.cvtColor(image.pixels, cv2.COLOR_GRAY2RGB) if image.is_grey else image.pixels.copy()
        canvas = pixels.astype(np.uint8, copy=False)
        if mask is not None:
            self._tint(canvas, mask)
        for found in detections:
            for item in found.items:
                self._mark(canvas, item)
        lines = [f"{m.name} {m.value:.4g} {m.unit}".rstrip() for m in (measurements.items if measurements else ())]
        if text is not None:
            lines += text.text.splitlines()
        for row, line in enumerate(lines[:100]):
            height = round(32 * self._font_scale(canvas))
            self._write(canvas, line, (4, (row + 1) * height), (255, 255, 255))
        return Image(canvas)

    def _tint(self, canvas: Pixels, mask: Mask) -> None:
        if mask.pixels.shape != canvas.shape[:2]:
            raise InvalidInput(
                f"The mask is {mask.width_px} x {mask.height_px} px, the picture {canvas.shape[1]} x "
                f"{canvas.shape[0]} px: resize one of them."
            )
        marked = mask.pixels > 0
        colour = np.array(self._colour("mask"), np.float64)
        canvas[marked] = np.round(canvas[marked] * (1 - self.tint) + colour * self.tint).astype(np.uint8)

    def _mark(self, canvas: Pixels, item: Detection) -> None:
        colour = self._colour(item.label)
        if item.outline:
            corners = [(point.x_px, point.y_px) for point in item.outline]
        elif item.box is not None:
            left, top = item.box.x_px, item.box.y_px
            right, bottom = left + item.box.width_px - 1, top + item.box.height_px - 1
            corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        else:
            return
        line = np.clip(np.round(corners), -_FAR_PX, _FAR_PX).astype(np.int32)
        cv2.polylines(canvas, [line], isClosed=True, color=colour, thickness=self.line_px)
        if self.labels:
            said = f"{item.label} {item.score:.2f}" + (f" {item.text}" if item.text else "")
            x, y = (int(side) for side in line.min(axis=0))
            rise = round(24 * self._font_scale(canvas))
            self._write(canvas, said, (max(x, 0), max(y - self.line_px - 6, rise)), colour)

    def _write(self, canvas: Pixels, line: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
        """Write a line on a dark ground, so that it can be read anywhere.

        Its baseline begins at `place`, or as far left of it as the line needs to end inside the picture.
        """
        said = line[:200].encode("ascii", "replace").decode()
        scale, thickness = 0.7 * self._font_scale(canvas), max(1, round(self._font_scale(canvas)))
        (width, height), below = cv2.getTextSize(said, _FONT, scale, thickness)
        x, y = max(min(place[0], canvas.shape[1] - width - 3), 0), place[1]
        cv2.rectangle(canvas, (x, y - height - 2), (x + width + 2, y + below), (20, 20, 20), cv2.FILLED)
        cv2.putText(canvas, said, (x + 1, y), _FONT, scale, colour, thickness, cv2.LINE_AA)

    @staticmethod
    def _font_scale(canvas: Pixels) -> float:
        return max(0.6, float(min(canvas.shape[:2])) / 1000)

    def _colour(self, label: str) -> tuple[int, int, int]:
        if self.colour is not None:
            red, green, blue = bytes.fromhex(self.colour[1:])
            return red, green, blue
        return _PALETTE[zlib.crc32(label.encode()) % len(_PALETTE)]
