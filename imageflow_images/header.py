"""The headers of encoded images: what kind and how large, before anything is unpacked."""

import struct
from io import BytesIO

from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imageflow_domain.errors import UnusableImage
from imageflow_images import jpeg

BROKEN = (OSError, SyntaxError, ValueError, EOFError, OverflowError, MemoryError, IndexError, TypeError, struct.error)
"""What Pillow raises for bytes that are no image, or not a whole one."""

_ORIENTATION = 0x0112
_PNG_DEPTH_AT = 24


def read_header(data: bytes) -> ImageFile:
    """Return Pillow's image with nothing but its header read: format, size, mode. A context manager.

    Raises `UnusableImage` for anything but a JPEG, PNG, WebP or BMP image.
    """
    # Not `Image.open`: it warns on standard error of sizes that we refuse, and takes some phones' JPEG for animated.
    try:
        if data.startswith(b"\xff\xd8\xff"):
            jpeg.check_depth(data)
            return JpegImageFile(BytesIO(data))
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return PngImageFile(BytesIO(data))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return WebPImageFile(BytesIO(data))
        if data.startswith(b"BM"):
            return BmpImageFile(BytesIO(data))
    except BROKEN as error:
        raise damaged(error) from error
    if not data:
        raise UnusableImage("is empty (0 bytes)")
    raise UnusableImage("is no JPEG, PNG, WebP or BMP picture")


def damaged(error: BaseException) -> UnusableImage:
    """Return the refusal of bytes in which a decoder stopped with `error`."""
    return UnusableImage(f"is damaged or cut short ({error}): take or upload it again")


def is_deep(image: ImageFile, data: bytes) -> bool:
    """Whether an image has 16 bits a channel: Pillow silently cuts some of them to eight."""
    return image.format == "PNG" and data[_PNG_DEPTH_AT] == 16


def orientation(image: ImageFile) -> int:
    """Return the orientation that an image's EXIF (or else XMP) states, 1 to 8; 1, upright, where none can be read."""
    try:
        stated = image.getexif().get(_ORIENTATION, 1)
    except BROKEN:  # the pixels are whole: an unreadable block of metadata does not change them
        return 1
    return stated if isinstance(stated, int) and 1 <= stated <= 8 else 1


def still_webp_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a WebP image that is neither animated nor has EXIF or XMP; `None` for anything else.

    Header layouts: RFC 9649, sections 2.5 to 2.7.
    """
    if len(data) < 30 or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    chunk = data[12:16]
    if chunk == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8X" and not data[20] & 0x0E:  # 0x02: animated, 0x04: XMP, 0x08: EXIF
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = int.from_bytes(data[26:28], "little"), int.from_bytes(data[28:30], "little")
        return width & 0x3FFF, height & 0x3FFF
    return None
