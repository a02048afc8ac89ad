"""Which level is encoded how, and that the words for it change whenever the bytes would."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from imageflow_domain.errors import InvalidInput
from imageflow_domain.survey import Encoding
from imageflow_mosaic.codec import decode_tile
from imageflow_mosaic.encoding import encode_tile, encode_top, kept_pixels, revision_signature, signature, to_png
from tests.mosaic import lossy_frames, worlds

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


@pytest.mark.parametrize("level", [0, 1])
def test_tiles_of_a_lossy_survey_are_at_most_one_level_off_and_alpha_is_exact(level: int) -> None:
    decoded = decode_tile(encode_tile(HOLED, level, Encoding(), lossy=True))
    shown = HOLED[..., 3] > 0
    assert np.abs(decoded[shown].astype(int) - HOLED[shown]).max() == 1
    np.testing.assert_array_equal(decoded[..., 3], HOLED[..., 3])


@pytest.mark.parametrize("level", [0, 1])
def test_encoding_a_lossy_surveys_tile_again_loses_nothing(level: int) -> None:
    once = encode_tile(HOLED, level, Encoding(), lossy=True)
    assert encode_tile(decode_tile(once), level, Encoding(), lossy=True) == once
    np.testing.assert_array_equal(decode_tile(once), kept_pixels(HOLED, level, lossy=True))


def test_black_and_white_and_what_is_not_covered_are_kept_in_lossy_surveys() -> None:
    ends = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 255, 255, 255]]], np.uint8)
    np.testing.assert_array_equal(kept_pixels(ends, 0, lossy=True), ends)


def test_lossless_surveys_and_higher_levels_keep_their_pixels() -> None:
    assert kept_pixels(HOLED, 0) is HOLED
    assert kept_pixels(HOLED, 2, lossy=True) is HOLED
    assert encode_tile(HOLED, 2, Encoding(), lossy=True) == encode_tile(HOLED, 2, Encoding())


def test_signatures_of_lossless_surveys_are_those_of_version_0_4() -> None:
    """Else every tile that is stored would be made again."""
    assert signature(0, Encoding()) == "webp lossless method 4 effort 80"
    assert signature(2, Encoding()) == "webp lossy method 4 quality 80"
    assert (
        revision_signature(Encoding())
        == "pixel rules 1; webp lossless method 4 effort 80; webp lossy method 4 quality 80"
    )


def test_signatures_tell_lossy_surveys_apart_at_the_levels_that_differ() -> None:
    assert signature(0, Encoding(), lossy=True) != signature(0, Encoding())
    assert signature(2, Encoding(), lossy=True) == signature(2, Encoding())
    assert revision_signature(Encoding(), lossy=True) != revision_signature(Encoding())


@pytest.mark.parametrize("quality", [95, 75])
def test_tiles_of_real_jpeg_frames_are_much_smaller_and_lose_next_to_nothing(quality: int) -> None:
    frame = next(iter(worlds.real("openttd-small", "nominal").pictures.values()))[:512, :512]
    noisy = lossy_frames.jpeg(np.ascontiguousarray(frame), quality)
    small, whole = encode_tile(noisy, 0, Encoding(), lossy=True), encode_tile(noisy, 0, Encoding(lossless_method=0))
    assert len(small) < 0.85 * len(whole)
    off = decode_tile(small)[..., :3].astype(float) - noisy
    assert 10 * np.log10(255**2 / (off**2).mean()) > 49
