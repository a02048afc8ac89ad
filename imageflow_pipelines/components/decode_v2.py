"""Bytes to pixels, by the one intake of images."""

from typing import ClassVar

from imageflow_domain.errors import TooLarge
from imageflow_images.intake import IntakeRules, decode_rgb
from imageflow_pipelines.component import Component, Needs
from imageflow_pipelines.limits import MAX_ENCODED_BYTES, MAX_PICTURE_PX
from imageflow_pipelines.values import Encoded, Image

_RULES = IntakeRules(most_px=MAX_PICTURE_PX, reduces_depth=True)


class DecodeV2(Component):
    """Read a JPEG, PNG, WebP or BMP picture as RGB of 8 bits, turned upright as its EXIF says; 16 bits are rounded.

    Refused: pictures that are cut short, too large, animated, CMYK, or transparent anywhere.
    """

    name: ClassVar[str] = "decode"
    version: ClassVar[int] = 2
    changes: ClassVar[str] = (
        "16-bit PNG is rounded to 8 bits instead of refused; orientation is read alike from every Exif block, also "
        "where a phone wrote its header twice."
    )
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0.04, bytes_per_px=16)

    def __call__(self, picture: Encoded) -> Image:
        """Raise `TooLarge` for more than `MAX_ENCODED_BYTES`, `UnusableImage` for anything else that is refused."""
        if len(picture.data) > MAX_ENCODED_BYTES:
            raise TooLarge(f"The picture has {len(picture.data):,} bytes, more than {MAX_ENCODED_BYTES:,}.")
        return Image(decode_rgb(picture.data, _RULES))
