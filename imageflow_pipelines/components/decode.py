"""Bytes to pixels: the one place where hostile pictures come in."""

from typing import ClassVar

import cv2
import numpy as np
from PIL import ImageOps

from imageflow_domain.errors import InvalidInput, TooLarge
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.header import BROKEN, read_header
from imageflow_pipelines.limits import MAX_ENCODED_BYTES, MAX_PICTURE_PX
from imageflow_pipelines.values import Encoded, Image, Pixels

_EXACT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"})


class Decode(Component):
    """Read a JPEG, PNG, WebP or BMP picture as RGB, turned upright as its EXIF says.

    Refused: pictures that are cut short, too large, transparent anywhere, or have more than eight bits a channel.
    """

    name: ClassVar[str] = "decode"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.04, bytes_per_px=8)

    def __call__(self, picture: Encoded) -> Image:
        if len(picture.data) > MAX_ENCODED_BYTES:
            raise TooLarge(f"The picture has {len(picture.data):,} bytes, more than {MAX_ENCODED_BYTES:,}.")
        try:
            return Image(_pixels(picture.data))
        except (*BROKEN, cv2.error) as error:
            raise InvalidInput(f"The bytes are no whole picture ({error}): take or upload it again.") from error


def _pixels(data: bytes) -> Pixels:
    with read_header(data) as header:
        width_px, height_px = header.size
        if width_px * height_px > MAX_PICTURE_PX:
            raise TooLarge(
                f"The picture is {width_px} x {height_px} px, more than {MAX_PICTURE_PX:,} in all: "
                "cut it into smaller ones."
            )
        if header.format == "JPEG" and header.mode in ("RGB", "L"):
            return _jpeg(data)
        if header.mode not in _EXACT_MODES:
            raise InvalidInput(f"Pictures of Pillow's mode {header.mode} lose by conversion: give 8-bit RGB or grey.")
        if getattr(header, "n_frames", 1) > 1:
            raise InvalidInput("The picture is animated: give single pictures.")
        upright = ImageOps.exif_transpose(header)
        if not header.has_transparency_data:
            return np.array(upright.convert("RGB"))
        rgba = np.array(upright.convert("RGBA"))
    if (rgba[..., 3] != 255).any():
        raise InvalidInput("The picture is transparent in places: give opaque pictures.")
    return np.ascontiguousarray(rgba[..., :3])


def _jpeg(data: bytes) -> Pixels:
    # The decoder fills what is missing with grey and says nothing. Neither marker occurs within a scan's data.
    if data.find(b"\xff\xda", max(data.rfind(b"\xff\xd9"), 0)) >= 0:
        raise InvalidInput("The JPEG picture is cut short: take or upload it again.")
    # A third faster than Pillow, which copies once more.
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise InvalidInput("The JPEG picture is damaged: take or upload it again.")
    return pixels.astype(np.uint8, copy=False)
