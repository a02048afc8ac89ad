"""Decode and encode: every format, and everything hostile."""

import io
import resource
import struct
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from imageflow_domain.errors import InvalidInput, TooLarge
from imageflow_pipelines.components.decode import Decode
from imageflow_pipelines.components.encode import Encode
from imageflow_pipelines.limits import MAX_ENCODED_BYTES
from imageflow_pipelines.values import Encoded, Image
from tests.pipelines.pictures import encoded, grey, mask_of, scene
from tests.thorough import repeated

_ENDINGS = (".png", ".jpg", ".webp", ".bmp")


def _saved(image: Pillow.Image, kind: str, **options: object) -> Encoded:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return Encoded(out.getvalue())


def _png_of(width_px: int, height_px: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("ending", [".png", ".bmp"])
def test_what_was_encoded_without_loss_is_decoded_to_the_same_pixels(ending: str) -> None:
    assert np.array_equal(Decode()(encoded(scene(), ending)).pixels, scene().pixels)


def test_a_grey_picture_becomes_rgb_of_equal_channels() -> None:
    pixels = Decode()(encoded(grey(77))).pixels
    assert pixels.shape == (30, 40, 3)
    assert (pixels == 77).all()


@pytest.mark.parametrize("quality", [60, 90])
def test_jpeg_is_decoded_as_pillow_decodes_it(quality: int) -> None:
    data = encoded(scene(301, 203), ".jpg", cv2.IMWRITE_JPEG_QUALITY, quality)
    reference = np.asarray(Pillow.open(io.BytesIO(data.data)).convert("RGB")).astype(int)
    difference = np.abs(Decode()(data).pixels.astype(int) - reference)
    assert difference.max() <= 3  # two builds of libjpeg-turbo may round chroma differently
    assert difference.mean() < 0.2


def test_a_picture_that_lies_on_its_side_is_turned_as_its_exif_says() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turn right to see it upright
    data = _saved(Pillow.fromarray(scene(60, 40).pixels), "JPEG", exif=exif, quality=95)
    turned = Decode()(data)
    assert (turned.width_px, turned.height_px) == (40, 60)
    upright = np.rot90(scene(60, 40).pixels, -1).astype(int)
    assert np.abs(turned.pixels.astype(int) - upright).mean() < 20


def test_png_and_webp_are_turned_as_well() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    for kind in ("PNG", "WEBP"):
        turned = Decode()(_saved(Pillow.fromarray(scene(60, 40).pixels), kind, exif=exif, lossless=True))
        assert np.array_equal(turned.pixels, np.rot90(scene(60, 40).pixels, -1)), kind


@pytest.mark.parametrize("ending", _ENDINGS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.9, 0.99])
def test_a_picture_that_is_cut_short_is_refused(ending: str, share: float) -> None:
    data = encoded(scene(200, 150), ending).data
    with pytest.raises(InvalidInput):
        Decode()(Encoded(data[: int(len(data) * share)]))


@pytest.mark.parametrize(("width_px", "height_px"), [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (40_000, 2_001)])
def test_a_few_bytes_that_claim_to_be_a_huge_picture_are_refused_unread(width_px: int, height_px: int) -> None:
    with warnings.catch_warnings(action="error"), pytest.raises(TooLarge, match="more than 80,000,000"):
        Decode()(Encoded(_png_of(width_px, height_px)))


@pytest.mark.parametrize(
    ("kind", "head"),
    [(b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\x01\0\0\0"), (b"iCCP", b"Profile\0\0")],
)
def test_text_and_profiles_that_unpack_without_end_are_not_unpacked(kind: bytes, head: bytes) -> None:
    """A gigabyte of zeros behind a picture's header, in a megabyte."""
    chunk = head + _packed_gigabyte()
    data = encoded(scene(20, 10)).data
    at = data.index(b"IDAT") - 4
    bomb = struct.pack(">I", len(chunk)) + kind + chunk + struct.pack(">I", zlib.crc32(kind + chunk))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(InvalidInput):
        decoded = Decode()(Encoded(data[:at] + bomb + data[at:]))
        assert (decoded.width_px, decoded.height_px) == (20, 10)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


@cache
def _packed_gigabyte() -> bytes:
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(2**20)) for _ in range(1024)), packer.flush()])


def test_a_jpeg_with_a_second_picture_behind_it_is_not_animated() -> None:
    """Phones add a preview or a depth map (CIPA DC-007)."""
    first, second = Pillow.fromarray(scene(60, 40).pixels), Pillow.fromarray(scene(30, 20).pixels)
    decoded = Decode()(_saved(first, "MPO", save_all=True, append_images=[second], quality=95))
    assert (decoded.width_px, decoded.height_px) == (60, 40)
    assert np.abs(decoded.pixels.astype(int) - scene(60, 40).pixels).mean() < 20


def test_more_bytes_than_are_taken_are_refused_unread() -> None:
    with pytest.raises(TooLarge, match="67,108,865 bytes"):
        Decode()(Encoded(bytes(MAX_ENCODED_BYTES + 1)))


def test_bytes_that_are_no_picture_are_refused_in_the_same_words_each_time() -> None:
    said = set()
    for _ in range(2):
        with pytest.raises(InvalidInput, match="no JPEG, PNG, WebP or BMP picture") as error:
            Decode()(Encoded(b"pipeline: not a picture"))
        said.add(str(error.value))
    assert len(said) == 1


def test_transparent_animated_and_deeper_pictures_are_refused() -> None:
    clear = Pillow.new("RGBA", (8, 8), (1, 2, 3, 128))
    with pytest.raises(InvalidInput, match="transparent"):
        Decode()(_saved(clear, "PNG"))
    frames = [Pillow.new("RGB", (8, 8), (level, 0, 0)) for level in (0, 200)]
    with pytest.raises(InvalidInput, match="animation"):
        Decode()(_saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    with pytest.raises(InvalidInput, match="16 bits a channel"):
        Decode()(_saved(Pillow.fromarray(np.full((8, 8), 40_000, np.uint16)), "PNG"))
    cmyk = Pillow.new("CMYK", (8, 8))
    with pytest.raises(InvalidInput, match="CMYK colours"):
        Decode()(_saved(cmyk, "JPEG"))


def test_an_opaque_alpha_channel_is_dropped() -> None:
    opaque = Pillow.fromarray(scene(9, 7).pixels).convert("RGBA")
    assert np.array_equal(Decode()(_saved(opaque, "PNG")).pixels, scene(9, 7).pixels)


@settings(max_examples=repeated(100, thorough=300))
@given(st.data())
def test_damaged_pictures_end_in_pixels_or_in_a_clear_error(data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from(_ENDINGS))
    bytes_ = bytearray(encoded(scene(40, 30), ending).data)
    for _ in range(data.draw(st.integers(1, 8))):
        bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = Decode()(Encoded(bytes(bytes_)))
    except InvalidInput:
        return
    assert decoded.pixels.shape[2] == 3


@settings(max_examples=repeated(60, thorough=200))
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBP", b"BM"]),
)
def test_arbitrary_bytes_end_in_a_clear_error(tail: bytes, head: bytes) -> None:
    try:
        Decode()(Encoded(head + tail))
    except InvalidInput:
        return
    raise AssertionError("these bytes are no picture")


def _read_back(image: Image, component: Encode) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(component(image).data)))


def test_png_and_webp_of_quality_100_keep_every_pixel() -> None:
    for component in (Encode(format="png"), Encode(format="webp", quality=100)):
        assert np.array_equal(_read_back(scene(), component), scene().pixels)


def test_a_mask_becomes_a_grey_picture() -> None:
    mask = mask_of((10, 10, 5, 5))
    data = Encode(format="png")(mask).data
    assert np.array_equal(np.asarray(Pillow.open(io.BytesIO(data))), mask.pixels)


def test_better_quality_is_nearer_to_the_picture() -> None:
    def error(quality: int) -> float:
        return float(np.abs(_read_back(scene(), Encode(quality=quality)).astype(int) - scene().pixels).mean())

    assert error(95) < error(60) < error(20)


def test_a_side_that_the_format_cannot_hold_is_refused() -> None:
    wide = Image(np.zeros((1, 20_000), np.uint8))
    with pytest.raises(InvalidInput, match="16,383 px a side"):
        Encode(format="webp")(wide)
    assert Encode(format="png")(wide).data


@pytest.mark.parametrize(
    "make", [lambda: np.zeros((4, 4, 4), np.uint8), lambda: np.zeros((4, 4)), lambda: np.zeros((0, 4), np.uint8)]
)
def test_pixels_that_are_no_picture_never_become_one(make: Callable[[], np.ndarray]) -> None:
    with pytest.raises(InvalidInput, match="neither RGB nor grey"):
        Image(make())


def test_nobody_can_change_the_pixels_of_a_value() -> None:
    image = scene()
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0, 0] = 0
