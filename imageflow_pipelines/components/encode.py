"""Pixels to bytes."""

from typing import ClassVar, Literal

import cv2
from pydantic import Field
from typing_extensions import override

from imageflow_domain.errors import InvalidInput
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.values import Encoded, Image, Mask

_WEBP_SIDE_PX = 16_383
_JPEG_SIDE_PX = 65_535


class Encode(Component):
    """Write a picture or a mask as JPEG, PNG (without loss) or WebP (without loss at quality 100)."""

    name: ClassVar[str] = "encode"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.25, bytes_per_px=16)

    format: Literal["jpeg", "png", "webp"] = "jpeg"
    quality: int = Field(default=90, ge=1, le=100, description="Of JPEG and WebP; PNG ignores it.")

    @override
    def cpu_s(self, megapixels: float) -> float:
        return {"jpeg": 0.02, "png": 0.15, "webp": self.needs.cpu_s_per_megapixel}[self.format] * megapixels

    def __call__(self, image: Image | Mask) -> Encoded:
        """Raise `InvalidInput` for a side that the format cannot hold: 16,383 px in WebP, 65,535 px in JPEG."""
        side_px = {"webp": _WEBP_SIDE_PX, "jpeg": _JPEG_SIDE_PX}.get(self.format)
        if side_px is not None and max(image.width_px, image.height_px) > side_px:
            raise InvalidInput(f"{self.format} holds {side_px:,} px a side: choose png, or resize before.")
        pixels = image.pixels if image.pixels.ndim == 2 else cv2.cvtColor(image.pixels, cv2.COLOR_RGB2BGR)
        done, data = cv2.imencode(f".{self.format}", pixels, self._options())
        if not done:
            raise InvalidInput(f"The picture of {image.width_px} x {image.height_px} px does not fit {self.format}.")
        return Encoded(data.tobytes())

    def _options(self) -> list[int]:
        match self.format:
            case "jpeg":
                return [cv2.IMWRITE_JPEG_QUALITY, self.quality]
            case "webp":  # OpenCV takes more than 100 for lossless
                return [cv2.IMWRITE_WEBP_QUALITY, self.quality if self.quality < 100 else 101]
            case "png":
                return [cv2.IMWRITE_PNG_COMPRESSION, 3]
