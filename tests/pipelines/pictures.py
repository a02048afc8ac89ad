"""Pictures with known content, drawn by whole-number arithmetic: the same on any machine."""

import cv2
import numpy as np
import zxingcpp

from imageflow_pipelines.values import Encoded, Image, Mask, Pixels

SCALE = np.arange(256, dtype=np.uint8)


def scene(width_px: int = 96, height_px: int = 64) -> Image:
    """A colour picture in which every place differs from its neighbours, smooth and rough by turns."""
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.int64)
    rough = (x * 7919 + y * 104_729 + x * y * 31) % 61
    planes = ((x * 255 // max(width_px - 1, 1)), (y * 255 // max(height_px - 1, 1)), ((x + y) * 3 % 256))
    return Image(np.stack([np.clip(plane + rough - 30, 0, 255) for plane in planes], axis=-1).astype(np.uint8))


def grey(level: int, width_px: int = 40, height_px: int = 30) -> Image:
    return Image(np.full((height_px, width_px), level, np.uint8))


def mask_of(*rectangles: tuple[int, int, int, int], width_px: int = 100, height_px: int = 80) -> Mask:
    """Marks rectangles, each as left, top, width, height."""
    pixels = np.zeros((height_px, width_px), np.uint8)
    for left, top, width, height in rectangles:
        pixels[top : top + height, left : left + width] = 255
    return Mask(pixels)


def encoded(image: Image, ending: str = ".png", *options: int) -> Encoded:
    pixels = image.pixels if image.is_grey else cv2.cvtColor(image.pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(ending, pixels, list(options))
    assert done
    return Encoded(data.tobytes())


def code(text: str, kind: str = "QRCode", scale: int = 4, *, gs1: bool = False) -> Pixels:
    """A code drawn by the library's own writer, with a quiet zone around it.

    Args:
        text: Its content; for `gs1` as printed, `(01)...(10)...`.
        gs1: It begins with FNC1, which is what makes its content GS1's; DataBar is always so.
    """
    options = {"gs1": True} if gs1 else {}
    drawn = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind), **options).to_image(scale=scale)
    return np.pad(np.array(drawn), 16, constant_values=255)


def marker(number: int, side_px: int, margin_px: int = 24) -> Pixels:
    """An ArUco marker of 4 x 4 cells on white, upright."""
    drawn = cv2.aruco.generateImageMarker(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50), number, side_px)
    return np.pad(drawn, margin_px, constant_values=255)


def speckled(width_px: int, height_px: int, seed: int) -> Pixels:
    """Random rectangles of random brightness: full of corners, none like another."""
    random = np.random.default_rng(seed)
    pixels = np.full((height_px, width_px), 128, np.uint8)
    for _ in range(width_px * height_px // 150):
        x, y = int(random.integers(width_px)), int(random.integers(height_px))
        w, h = (int(side) for side in random.integers(4, 16, 2))
        pixels[y : y + h, x : x + w] = random.integers(256)
    return pixels
