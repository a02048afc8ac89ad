"""Pictures survive the store exactly, and what is no picture is refused with a reason."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from imageflow_domain.errors import InvalidInput
from imageflow_mosaic.codec import Pixels, decode_picture, decode_tile, encode_screenshot, encode_webp

RNG = np.random.default_rng(3)


def stored(image: Image.Image, kind: str = "PNG") -> bytes:
    out = BytesIO()
    image.save(out, kind)
    return out.getvalue()


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
@settings(max_examples=40, deadline=None)
def test_a_screenshot_comes_back_exactly(pixels: Pixels) -> None:
    np.testing.assert_array_equal(decode_picture(encode_screenshot(pixels)), pixels)


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(4))))
@settings(max_examples=40, deadline=None)
def test_a_lossless_tile_keeps_alpha_and_the_colour_under_it(pixels: Pixels) -> None:
    np.testing.assert_array_equal(decode_tile(encode_webp(pixels, lossless=True, method=0, quality=20)), pixels)


def test_a_slice_of_a_larger_picture_is_encoded_as_the_slice() -> None:
    picture = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode_picture(encode_screenshot(picture[8:40, 16:])), picture[8:40, 16:])


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_opaque_pictures_are_converted_without_loss(mode: str, kind: str) -> None:
    image = Image.fromarray(RNG.integers(0, 4, (30, 20, 3), dtype=np.uint8) * 85).convert(mode)
    out = BytesIO()
    image.save(out, kind, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(decode_picture(out.getvalue()), np.asarray(image.convert("RGB")))


def test_an_opaque_picture_read_as_a_tile_has_full_alpha() -> None:
    tile = decode_tile(encode_screenshot(np.full((4, 4, 3), 7, np.uint8)))
    np.testing.assert_array_equal(tile, np.broadcast_to(np.array([7, 7, 7, 255], np.uint8), (4, 4, 4)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_transparent_picture_is_refused_as_a_screenshot_and_taken_as_a_tile(kind: str) -> None:
    pixels = np.full((5, 5, 4), 200, np.uint8)
    data = stored(Image.fromarray(pixels), kind)
    with pytest.raises(InvalidInput, match="transparent"):
        decode_picture(data)
    assert decode_tile(data)[0, 0, 3] == 200


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.95])
def test_a_truncated_picture_is_refused(kind: str, kept: float) -> None:
    data = stored(Image.fromarray(RNG.integers(0, 256, (50, 50, 3), dtype=np.uint8)), kind)
    with pytest.raises(InvalidInput):
        decode_picture(data[: int(len(data) * kept)])


@pytest.mark.parametrize(
    "data", [b"", b"R", b"a plain text, longer than any header of a picture", b"RIFF\0\0\0\0WEBP" + b"VP8L" * 9]
)
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_picture(data)


def test_sixteen_bits_a_channel_are_refused() -> None:
    with pytest.raises(InvalidInput, match="8-bit"):
        decode_picture(stored(Image.fromarray(np.full((5, 5), 40_000, np.uint16))))


def png_that_claims(width_px: int, height_px: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0" * 30


def webp_that_claims(width_px: int, height_px: int) -> bytes:
    bits = (width_px - 1) | (height_px - 1) << 14
    chunk = b"VP8L" + struct.pack("<I", 30) + b"\x2f" + struct.pack("<I", bits) + b"\0" * 25
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


@pytest.mark.parametrize("claim", [png_that_claims, webp_that_claims])
def test_a_decompression_bomb_is_refused_unread(claim: object) -> None:
    assert callable(claim)
    with pytest.raises(InvalidInput):
        decode_picture(claim(16_000, 16_000))


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_only_rgb_pixels_are_taken_as_a_screenshot(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="Pixels of shape"):
        encode_screenshot(np.zeros(shape, np.uint8))
