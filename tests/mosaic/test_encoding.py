"""Which level is encoded how, and that the words for it change whenever the bytes would."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from imageflow_domain.errors import InvalidInput
from imageflow_domain.survey import Encoding
from imageflow_mosaic.codec import decode_tile
from imageflow_mosaic.encoding import encode_tile, encode_top, revision_signature, signature, to_png

RNG = np.random.default_rng(8)
NOISE = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
HOLED = np.dstack([NOISE, RNG.choice(np.array([0, 64, 255], np.uint8), (64, 64))])


@pytest.mark.parametrize("method", [0, 2, 4])
@pytest.mark.parametrize("level", [0, 1])
def test_the_native_level_and_its_parent_are_lossless(level: int, method: int) -> None:
    data = encode_tile(HOLED, level, Encoding(lossless_method=method))
    np.testing.assert_array_equal(decode_tile(data), HOLED)


def test_from_the_second_level_up_tiles_are_lossy_and_alpha_still_exact() -> None:
    decoded = decode_tile(encode_tile(HOLED, 2, Encoding()))
    np.testing.assert_array_equal(decoded[..., 3], HOLED[..., 3])
    assert len(encode_tile(NOISE, 2, Encoding(lossy_quality=30))) < len(encode_tile(NOISE, 2, Encoding()))


def test_the_top_of_a_square_is_lossless() -> None:
    np.testing.assert_array_equal(decode_tile(encode_top(HOLED)), HOLED)


def test_rgb_and_opaque_rgba_give_the_same_bytes() -> None:
    opaque = np.dstack([NOISE, np.full((64, 64), 255, np.uint8)])
    for level in (0, 2):
        assert encode_tile(NOISE, level, Encoding()) == encode_tile(opaque, level, Encoding())


@pytest.mark.parametrize("pixels", [NOISE, HOLED])
def test_png_is_a_true_png_of_the_same_pixels(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    png = to_png(encode_tile(pixels, 0, Encoding()))
    with Image.open(BytesIO(png)) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_png_of_damaged_bytes_is_refused() -> None:
    with pytest.raises(InvalidInput):
        to_png(b"no picture")


def test_signatures_tell_settings_apart_where_they_matter() -> None:
    small, fast, rough = Encoding(), Encoding(lossless_method=0), Encoding(lossy_quality=50)
    assert signature(0, small) == signature(1, small) != signature(2, small) == signature(7, small)
    assert signature(0, small) != signature(0, fast)
    assert signature(0, small) == signature(0, rough)
    assert len({revision_signature(encoding) for encoding in (small, fast, rough)}) == 3
