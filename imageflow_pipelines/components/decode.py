"""Bytes to pixels, as version 1 was released. `decode_v2` reads every image as surveys do."""

from typing import ClassVar

import cv2
import numpy as np
from PIL import ImageOps

from imageflow_domain.errors import TooLarge, UnusableImage
from imageflow_images.header import BROKEN, damaged, is_deep, read_header
from imageflow_images.intake import IntakeRules, check_kind
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.limits import MAX_ENCODED_BYTES, MAX_PICTURE_PX
from imageflow_pipelines.values import Encoded, Image, Pixels

_RULES = IntakeRules(most_px=MAX_PICTURE_PX)


class Decode(Component):
    """Read a JPEG, PNG, WebP or BMP picture as RGB, turned upright as its EXIF says.

    Refused: pictures that are cut short, too large, transparent anywhere, or have more than eight bits a channel.
    """

    name: ClassVar[str] = "decode"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.04, bytes_per_px=8)

    def __call__(self, picture: Encoded) -> Image:
        """Raise `TooLarge` for more than `MAX_ENCODED_BYTES`, `InvalidInput` for anything else that is refused."""
        if len(picture.data) > MAX_ENCODED_BYTES:
            raise TooLarge(f"The picture has {len(picture.data):,} bytes, more than {MAX_ENCODED_BYTES:,}.")
        try:
            return Image(_pixels(picture.data))
        except (*BROKEN, cv2.error) as error:
            raise damaged(error) from error


def _pixels(data: bytes) -> Pixels:
    with read_header(data) as header:
        if is_deep(header, data):
            raise UnusableImage("has 16 bits a channel: read it with decode@2, or give an 8-bit picture")
        check_kind(header, data, _RULES)
        if header.format == "JPEG":
            return _jpeg(data)
        upright = ImageOps.exif_transpose(header)
        if not header.has_transparency_data:
            return np.array(upright.convert("RGB"))
        rgba = np.array(upright.convert("RGBA"))
    if (rgba[..., 3] != 255).any():
        raise UnusableImage("is transparent in places: give opaque pictures")
    return np.ascontiguousarray(rgba[..., :3])


def _jpeg(data: bytes) -> Pixels:
    # The decoder fills what is missing with grey and says nothing. Neither marker occurs within a scan's data.
    if data.find(b"\xff\xda", max(data.rfind(b"\xff\xd9"), 0)) >= 0:
        raise ValueError("the JPEG data have no end")
    # A third faster than Pillow, which copies once more.
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise ValueError("the decoder gives no pixels")
    return pixels.astype(np.uint8, copy=False)
