"""Images of every kind, made by hand where no encoder writes them."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 48, 32
ORIENTATION = 0x0112


def scene() -> NDArray[np.uint8]:
    """RGB pixels that are other ones however they are turned; smooth, so that JPEG keeps them nearly."""
    x, y = np.meshgrid(np.linspace(0, 200, WIDTH), np.linspace(0, 200, HEIGHT))
    return np.dstack([x, y, (x + y) / 2]).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def picture(kind: str, **options: object) -> bytes:
    """The scene as a file."""
    return saved(Image.fromarray(scene()), kind, **({"quality": 95} | options))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def deep_png(pixels: NDArray[np.uint16], *extra: bytes) -> bytes:
    """A PNG of 16 bits a channel: grey, grey and alpha, RGB or RGBA by the last axis of `pixels`."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    height, width, channels = pixels.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    body = b"".join([chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])
    return b"\x89PNG\r\n\x1a\n" + body


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return block.tobytes()


def xmp(orientation: int) -> bytes:
    """As a JPEG's segment and a WebP's chunk hold it."""
    return b"http://ns.adobe.com/xap/1.0/\0" + (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % orientation
    )


def with_segment(jpeg: bytes, marker: int, payload: bytes) -> bytes:
    """A JPEG with one more segment behind its first two bytes."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def twelve_bit_jpeg() -> bytes:
    data = bytearray(picture("JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    return bytes(data)
