"""What an image is: the one place where the bytes of a file become pixels, for pipelines, batches and surveys.

docs/pictures.md lists every kind of image and how it is read; `tests/images` holds this module to that table.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

from imageflow_domain.errors import ImageTooLarge, UnusableImage
from imageflow_images import jpeg
from imageflow_images.header import BROKEN, damaged, is_deep, orientation, read_header, still_webp_size

Pixels = NDArray[np.uint8]

_EXACT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"})
"""Pillow's modes with at most eight bits a channel that become RGBA without loss."""


@dataclass(frozen=True, kw_only=True)
class IntakeRules:
    """What one kind of reader takes, beside what no reader takes."""

    most_px: int
    """In all; checked before anything is unpacked."""
    most_side_px: int | None = None
    reduces_depth: bool = False
    """PNG of 16 bits a channel becomes 8: x / 257, rounded. Refused otherwise."""


def decode_rgb(data: bytes, rules: IntakeRules) -> Pixels:
    """Return an image as RGB, shape (height, width, 3), C-contiguous, turned upright as its EXIF says.

    Grey, palette, 1-bit and opaque-alpha images are converted without loss.

    Raises:
        UnusableImage: For bytes that are no whole JPEG, PNG, WebP or BMP image, and for one that is animated, CMYK,
            too deep, or transparent anywhere.
        ImageTooLarge: By its header, before anything is unpacked.
    """
    pixels = _decode(data, rules)
    if pixels.shape[2] == 3:
        return pixels
    if (pixels[..., 3] != 255).any():
        raise UnusableImage("is transparent in places: give opaque pictures")
    return cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB).astype(np.uint8, copy=False)


def decode_rgba(data: bytes, rules: IntakeRules) -> Pixels:
    """Return an image as RGBA, shape (height, width, 4). Raises as `decode_rgb` does, but takes transparency."""
    pixels = _decode(data, rules)
    if pixels.shape[2] == 4:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA).astype(np.uint8, copy=False)


def check_kind(image: ImageFile, data: bytes, rules: IntakeRules) -> None:
    """Raise `UnusableImage` or `ImageTooLarge` for an image that is not read, by its header alone."""
    _check_size(image.width, image.height, rules)
    if is_deep(image, data) and not rules.reduces_depth:
        raise UnusableImage("has 16 bits a channel: give an 8-bit picture")
    if image.mode == "CMYK":
        raise UnusableImage("has CMYK colours, which only a profile makes RGB: save it as RGB")
    if image.mode not in _EXACT_MODES and not is_deep(image, data):
        raise UnusableImage(f"has colours of mode {image.mode}: save it as 8-bit RGB or grey")
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnusableImage(f"is an animation of {frames} pictures: give single ones")


def _check_size(width_px: int, height_px: int, rules: IntakeRules) -> None:
    if width_px * height_px > rules.most_px:
        raise ImageTooLarge(
            f"has {width_px:,} x {height_px:,} pixels, more than {rules.most_px:,} in all: cut it into smaller ones"
        )
    if rules.most_side_px is not None and max(width_px, height_px) > rules.most_side_px:
        raise ImageTooLarge(
            f"has {width_px:,} x {height_px:,} pixels, more than {rules.most_side_px:,} a side: "
            "cut it into smaller ones"
        )


def _decode(data: bytes, rules: IntakeRules) -> Pixels:
    """Return RGB or RGBA, whichever the image has."""
    webp_size = still_webp_size(data)
    if webp_size is not None:
        _check_size(*webp_size, rules)
    try:
        if data.startswith(b"RIFF") and 8 + int.from_bytes(data[4:8], "little") > len(data):
            raise ValueError("the file is shorter than it says")
        # OpenCV reads WebP straight into the array, in two fifths of Pillow's time.
        return _still_webp(data) if webp_size is not None else _other(data, rules)
    except (*BROKEN, cv2.error) as error:
        raise damaged(error) from error


def _still_webp(data: bytes) -> Pixels:
    pixels = _with_opencv(data, cv2.IMREAD_UNCHANGED)
    code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return cv2.cvtColor(pixels, code, dst=pixels).astype(np.uint8, copy=False)


def _other(data: bytes, rules: IntakeRules) -> Pixels:
    if data.startswith(b"\x89PNG"):
        with read_header(data) as image:
            check_kind(image, data, rules)
            image.verify()  # decoders stop at the last pixel, and miss a damaged or missing end
    with read_header(data) as image:
        check_kind(image, data, rules)
        if image.format == "JPEG":
            if not jpeg.is_whole(data):
                raise ValueError("the JPEG data have no end")
            # Twice as fast as Pillow, which copies once more. Pillow alone says which way is up: OpenCV reads fewer
            # phones' EXIF.
            pixels = _with_opencv(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        elif is_deep(image, data):
            pixels = _reduced(data, image.info.get("transparency"))
        else:
            pixels = np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))
        return _upright(pixels, orientation(image))


def _with_opencv(data: bytes, flags: int) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ValueError("the decoder gives no pixels")
    return pixels  # type: ignore[return-value]


def _reduced(data: bytes, clear: int | tuple[int, int, int] | None) -> Pixels:
    """Return a PNG of 16 bits a channel as 8-bit RGB or RGBA.

    Args:
        data: The file.
        clear: The grey or colour of 16 bits that it states to be transparent, if any.
    """
    deep = _with_opencv(data, cv2.IMREAD_UNCHANGED)
    reduced = cv2.convertScaleAbs(deep, alpha=1 / 257)
    if deep.ndim == 2:
        rgb = cv2.cvtColor(reduced, cv2.COLOR_GRAY2RGB)
        pixels = rgb if clear is None else np.dstack([rgb, np.where(deep == clear, 0, 255)])
    elif deep.shape[2] == 3:
        pixels = cv2.cvtColor(reduced, cv2.COLOR_BGR2RGB)
    else:
        pixels = cv2.cvtColor(reduced, cv2.COLOR_BGRA2RGBA)
        pixels[..., 3] = deep[..., 3] // 257  # not rounded: 65,534 of 65,535 is not opaque
    return pixels.astype(np.uint8, copy=False)


def _upright(pixels: Pixels, stated: int) -> Pixels:
    """Return pixels turned as an EXIF orientation of 1 to 8 says."""
    if stated in (2, 4, 5, 7):
        pixels = pixels[:, ::-1]
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(stated, 0)
    return np.ascontiguousarray(np.rot90(pixels, turns))
