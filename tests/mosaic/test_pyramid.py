"""Tiles and their parents against a slow oracle of averaging, and the rules of what is cut at all."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Encoding
from imageflow_domain.tiles import TileId
from imageflow_mosaic.codec import Pixels, decode_tile
from imageflow_mosaic.compose import Canvas, PlacedShot, compose
from imageflow_mosaic.encoding import encode_top
from imageflow_mosaic.pyramid import CutTile, cut_square, halved, make_tile, parent_of
from tests.thorough import repeated

FAST = Encoding(lossless_method=0)
NATIVE_ZOOM = 5


def mean_of_four(four: Sequence[Sequence[int]]) -> list[int]:
    """Average RGBA pixels in exact integers: colour weighted by alpha, halves up, nothing where alpha rounds to 0."""
    weight = sum(pixel[3] for pixel in four)
    alpha = (weight + 2) // 4
    if alpha == 0:
        return [0, 0, 0, 0]
    colour = [sum(pixel[k] * pixel[3] for pixel in four) for k in range(3)]
    return [(2 * part + weight) // (2 * weight) for part in colour] + [alpha]


@st.composite
def rgba_pictures(draw: st.DrawFn) -> Pixels:
    height, width = 2 * draw(st.integers(1, 5)), 2 * draw(st.integers(1, 5))
    pixels = draw(hnp.arrays(np.uint8, (height, width, 4)))
    pixels[..., 3] = draw(hnp.arrays(np.uint8, (height, width), elements=st.sampled_from([0, 1, 64, 254, 255])))
    return pixels


@given(rgba_pictures())
@settings(max_examples=repeated(60, thorough=200), deadline=None)
def test_halving_is_the_mean_weighted_by_alpha(pixels: Pixels) -> None:
    blocks = pixels.reshape(pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 2, 4).swapaxes(1, 2)
    expected = [[mean_of_four(block.reshape(4, 4).tolist()) for block in row] for row in blocks]
    np.testing.assert_array_equal(halved(pixels), np.array(expected, np.uint8))


def test_halving_opaque_pixels_is_the_plain_mean_at_any_size() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (1024, 512, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    sums = sum(pixels[dy::2, dx::2].astype(np.uint16) for dy in (0, 1) for dx in (0, 1))
    np.testing.assert_array_equal(halved(pixels), (sums + 2) // 4)


def test_an_odd_side_cannot_be_halved() -> None:
    with pytest.raises(InvalidInput, match="even sides"):
        halved(np.zeros((4, 5, 4), np.uint8))


def square(x_px: int = 2048, y_px: int = 4096, side_px: int = 2048, *, covered: Rect | None = None) -> Canvas:
    """Compose one square from a picture of large noise."""
    rect = Rect(x_px=x_px, y_px=y_px, width_px=side_px, height_px=side_px)
    covered = covered or rect
    noise = np.random.default_rng(4).integers(
        0, 256, (covered.height_px // 8 + 1, covered.width_px // 8 + 1, 3), dtype=np.uint8
    )
    pixels = noise.repeat(8, axis=0).repeat(8, axis=1)[: covered.height_px, : covered.width_px]
    return compose([PlacedShot(x_px=covered.x_px, y_px=covered.y_px, pixels=np.ascontiguousarray(pixels))], rect)


def by_id(tiles: Sequence[CutTile]) -> dict[TileId, CutTile]:
    return {tile.id: tile for tile in tiles}


def test_a_full_square_gives_sixteen_tiles_four_parents_and_the_top() -> None:
    canvas = square()
    tiles = list(cut_square(canvas, NATIVE_ZOOM, FAST))
    assert [tile.id.z for tile in tiles] == [5] * 16 + [4] * 4 + [3]
    assert [tile.is_top for tile in tiles] == [False] * 20 + [True]
    for tile in tiles:
        shown = tile.id.rect(NATIVE_ZOOM)
        scale = 1 << tile.level_above_native
        whole = canvas.rgba
        for _ in range(tile.level_above_native):
            whole = halved(whole)
        y, x = (shown.y_px - 4096) // scale, (shown.x_px - 2048) // scale
        np.testing.assert_array_equal(tile.pixels, whole[y : y + 512, x : x + 512])


def test_four_squares_at_once_give_the_same_tiles_as_one_by_one() -> None:
    at_once = {t.id: t.digest for t in cut_square(square(0, 0, 4096), NATIVE_ZOOM, FAST)}
    whole = square(0, 0, 4096)
    one_by_one: dict[TileId, str] = {}
    for y in (0, 2048):
        for x in (0, 2048):
            rgba = whole.rgba[y : y + 2048, x : x + 2048]
            part = Canvas(rect=Rect(x_px=x, y_px=y, width_px=2048, height_px=2048), rgba=rgba, full=True)
            one_by_one |= {t.id: t.digest for t in cut_square(part, NATIVE_ZOOM, FAST)}
    assert at_once == one_by_one


def test_tiles_that_nothing_covers_are_left_out() -> None:
    canvas = square(0, 0, covered=Rect(x_px=600, y_px=10, width_px=300, height_px=400))
    assert [tile.id for tile in cut_square(canvas, 5, FAST)] == [
        TileId(z=5, x=1, y=0),
        TileId(z=4, x=0, y=0),
        TileId(z=3, x=0, y=0),
    ]


def test_a_wholly_empty_square_gives_no_tile() -> None:
    rect = Rect(x_px=0, y_px=0, width_px=2048, height_px=2048)
    assert list(cut_square(compose([], rect), NATIVE_ZOOM, FAST)) == []


def has_alpha(data: bytes) -> bool:
    """Read the alpha bit of a lossless WebP (RFC 9649, section 3.4)."""
    assert data[12:16] == b"VP8L"
    return bool(data[24] & 0x10)


def test_only_tiles_that_are_partly_uncovered_have_an_alpha_channel() -> None:
    canvas = square(0, 0, covered=Rect(x_px=0, y_px=0, width_px=1400, height_px=2048))
    tiles = by_id(list(cut_square(canvas, 5, FAST)))
    assert not has_alpha(tiles[TileId(z=5, x=1, y=0)].encode())
    assert has_alpha(tiles[TileId(z=5, x=2, y=0)].encode())
    decoded = decode_tile(tiles[TileId(z=5, x=2, y=0)].encode())
    np.testing.assert_array_equal(decoded, tiles[TileId(z=5, x=2, y=0)].pixels)
    assert (decoded[:, : 1400 - 1024, 3] == 255).all()
    assert not decoded[:, 1400 - 1024 :].any()


def test_a_square_that_is_not_aligned_is_refused() -> None:
    with pytest.raises(InvalidInput, match="whole squares"):
        list(cut_square(square(512, 0), NATIVE_ZOOM, FAST))


def test_equal_pixels_have_one_digest_and_other_settings_another() -> None:
    grass = np.full((2048, 2048, 3), 90, np.uint8)
    rect = Rect(x_px=0, y_px=0, width_px=2048, height_px=2048)
    canvas = compose([PlacedShot(x_px=0, y_px=0, pixels=grass)], rect)

    def digests(encoding: Encoding) -> list[str]:
        return [tile.digest for tile in cut_square(canvas, NATIVE_ZOOM, encoding)]

    assert len(set(digests(FAST)[:20])) == 1
    assert digests(FAST)[20] != digests(FAST)[0]
    assert digests(FAST)[0] != digests(Encoding(lossless_method=4))[0]
    assert digests(FAST)[20] != digests(Encoding(lossless_method=0, lossy_quality=70))[20]
    assert digests(FAST)[0] == digests(Encoding(lossless_method=0, lossy_quality=70))[0]


def test_overviews_go_on_from_stored_tops_as_one_large_canvas_would() -> None:
    canvas = square(0, 0, 4096, covered=Rect(x_px=300, y_px=5, width_px=3001, height_px=4000))
    tops = {t.id: decode_tile(encode_top(t.pixels)) for t in cut_square(canvas, NATIVE_ZOOM, FAST) if t.is_top}
    assert len(tops) == 4
    np.testing.assert_array_equal(parent_of(tops), halved(halved(halved(canvas.rgba))))


def test_a_parent_of_one_tile_is_empty_in_the_other_three_quarters() -> None:
    parent = parent_of({TileId(z=3, x=5, y=6): np.full((512, 512, 4), 255, np.uint8)})
    assert (parent[:256, 256:] == 255).all()
    assert not parent[256:].any()
    assert not parent[:, :256].any()


def test_tiles_of_several_parents_or_none_have_no_parent() -> None:
    tile = np.zeros((512, 512, 4), np.uint8)
    with pytest.raises(InvalidInput, match="one parent"):
        parent_of({TileId(z=3, x=1, y=0): tile, TileId(z=3, x=2, y=0): tile})
    with pytest.raises(InvalidInput, match="one parent"):
        parent_of({})


def test_parents_of_a_lossy_survey_are_the_same_from_stored_tiles_as_from_composed_ones() -> None:
    canvas = square(0, 0)
    cut = by_id(list(cut_square(canvas, NATIVE_ZOOM, FAST, lossy=True)))
    stored = {tile.id: decode_tile(tile.encode()) for tile in cut.values() if tile.level_above_native < 2}
    for tile in cut.values():
        if tile.level_above_native:
            children = {child: stored[child] for child in tile.id.children if child in stored}
            made = make_tile(tile.id, parent_of(children), NATIVE_ZOOM, FAST, lossy=True)
            assert made is not None
            assert made.digest == tile.digest


def test_a_lossy_surveys_tiles_have_digests_of_their_own() -> None:
    canvas = square(0, 0)
    lossless, lossy = (by_id(list(cut_square(canvas, NATIVE_ZOOM, FAST, lossy=lossy))) for lossy in (False, True))
    assert lossless.keys() == lossy.keys()
    assert all(lossless[tile].digest != lossy[tile].digest for tile in lossless)
