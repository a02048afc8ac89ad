"""Previews of screenshots and tiles: what they show is what the game drew, and they are small."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imageflow_clients.database.maps import screenshots
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import NotReady, ObjectDamaged, ObjectMissing
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Cell
from imageflow_domain.survey import DriverSpec, Encoding, Survey, SurveySpec
from imageflow_mosaic.codec import encode_screenshot
from imageflow_surveys import previews
from imageflow_surveys.image import read_at_zoom
from imageflow_surveys.previews import MOST_BYTES, SIDE_PX, preview_of_screenshots, preview_of_tiles
from imageflow_surveys.shots import shots_of
from imageflow_surveys.stored_pictures import digest_of
from tests.clients.servers import ROOT
from tests.surveys.cities import captured, city, cut, digests, placed, planned, published

_GAP_PX = 4
Shown = NDArray[np.uint8]


def _openttd(save: str) -> SurveySpec:
    source = str(ROOT / "examples" / "openttd-small")
    fast = Encoding(lossless_method=0)
    return SurveySpec(game="openttd", save=save, driver=DriverSpec(name="folder"), source=source, encoding=fast)


def _decoded(webp: bytes) -> Shown:
    assert len(webp) <= MOST_BYTES
    pixels = np.asarray(Image.open(BytesIO(webp)))
    assert max(pixels.shape[:2]) <= SIDE_PX
    return pixels


def _resized(pixels: Shown, width_px: int, height_px: int) -> Shown:
    return np.asarray(cv2.resize(pixels, (width_px, height_px), interpolation=cv2.INTER_AREA), np.uint8)


def _differ(one: Shown, other: Shown) -> float:
    """Return by how many grey levels two pictures of one size differ on average."""
    return float(np.abs(one[..., :3].astype(int) - other[..., :3].astype(int)).mean())


def _thumbnails(sheet: Shown, rows: int, cols: int) -> dict[tuple[int, int], Shown]:
    down, across = (sheet.shape[0] + _GAP_PX) // rows, (sheet.shape[1] + _GAP_PX) // cols
    return {
        (row, col): sheet[row * down : (row + 1) * down - _GAP_PX, col * across : (col + 1) * across - _GAP_PX]
        for row in range(rows)
        for col in range(cols)
    }


def _differences(stores: Stores, survey: Survey, shown: dict[tuple[int, int], Shown], *cells: Cell) -> list[float]:
    shots = shots_of(stores, survey)
    return [
        _differ(seen, _resized(shots.load(cell), seen.shape[1], seen.shape[0]))
        for seen, cell in zip(shown.values(), cells, strict=True)
    ]


@pytest.mark.parametrize(
    ("spec", "rows", "cols"),
    [(city("sheet", grid="7x2", seed=821), (0, 1), (0, 2, 4, 6)), (_openttd("sheet"), (0, 2, 3, 5), (0, 2, 3, 5))],
    ids=["city", "openttd"],
)
def test_screenshots_of_the_whole_grid_lie_side_by_side(
    stores: Stores, spec: SurveySpec, rows: tuple[int, ...], cols: tuple[int, ...]
) -> None:
    survey = captured(stores, spec)
    shown = _thumbnails(_decoded(preview_of_screenshots(stores, survey)), len(rows), len(cols))
    differences = _differences(stores, survey, shown, *(Cell(row=row, col=col) for row in rows for col in cols))
    assert max(differences) < 8


def test_a_hole_shows_the_nearest_screenshot_or_nothing(stores: Stores) -> None:
    survey = captured(stores, city("holes", grid="3x1", seed=822))
    with stores.database.begin() as connection:
        screenshots.forget(connection, survey.id, [Cell(row=0, col=0)])
    first, second, third = _thumbnails(_decoded(preview_of_screenshots(stores, survey)), 1, 3).values()
    shots = shots_of(stores, survey)
    for seen, cell in ((first, Cell(row=0, col=1)), (third, Cell(row=0, col=2))):
        assert _differ(seen, _resized(shots.load(cell), seen.shape[1], seen.shape[0])) < 8
    assert second[_GAP_PX:-_GAP_PX, _GAP_PX:-_GAP_PX].std() < 1, "it is shown already"


@pytest.mark.parametrize(
    "spec", [city("tiles_seen", grid="4x4", seed=823), _openttd("tiles_seen")], ids=["city", "openttd"]
)
def test_tiles_are_put_together_as_they_lie(stores: Stores, spec: SurveySpec) -> None:
    survey = published(stores, spec)
    shown = _decoded(preview_of_tiles(stores, survey))
    every, native = digests(stores, survey), survey.placed().frame.native_zoom
    zoom = max(z for z in range(native + 1) if sum(tile.z == z for tile in every) <= 64)
    tiles = [tile.rect(zoom) for tile in every if tile.z == zoom]
    whole = Rect(
        x_px=min(rect.x_px for rect in tiles),
        y_px=min(rect.y_px for rect in tiles),
        width_px=max(rect.right_px for rect in tiles) - min(rect.x_px for rect in tiles),
        height_px=max(rect.bottom_px for rect in tiles) - min(rect.y_px for rect in tiles),
    )
    region = read_at_zoom(stores, survey, whole, zoom)
    wanted = _resized(region.rgb, shown.shape[1], shown.shape[0])
    inside = _resized(region.covered.astype(np.uint8) * 255, shown.shape[1], shown.shape[0]) == 255
    assert _differ(shown[inside], wanted[inside]) < 8
    assert (shown[..., 3][inside] > 200).all()
    assert (shown[..., 3] < 50).any() == (~region.covered).any()


@pytest.mark.parametrize("most", [3, 1])
def test_a_map_of_more_tiles_is_shown_at_a_lower_zoom_then_by_its_middle(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    survey = cut(stores, city("many_tiles", grid="6x6", seed=824))
    read: list[int] = []
    original = previews.read_tile

    def counted(*arguments: object) -> Shown:
        read.append(arguments[2].z)  # type: ignore[attr-defined]
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(previews, "read_tile", counted)
    monkeypatch.setattr(previews, "_MOST_TILES", most)
    _decoded(preview_of_tiles(stores, survey))
    assert len(read) <= most
    assert max(read) < survey.placed().frame.native_zoom


def test_screenshots_that_hardly_pack_are_shown_small_enough(stores: Stores) -> None:
    """Noise is what an encoder can do least with."""
    survey = captured(stores, city("noise", grid="4x4", seed=825))
    noise = np.random.default_rng(1).integers(0, 256, (256, 320, 3), np.uint8)
    data = encode_screenshot(noise)
    with stores.database.begin() as connection:
        for cell, shot in screenshots.stored(connection, survey.id).items():
            stores.objects.put(shot.object_key, data)
            noisy = screenshots.StoredShot(object_key=shot.object_key, bytes=len(data), digest=digest_of(data))
            screenshots.record(connection, survey.id, cell, noisy)
    _decoded(preview_of_screenshots(stores, survey))


def test_what_there_is_nothing_of_yet_is_named_with_the_next_step(stores: Stores) -> None:
    survey = planned(stores, city("nothing_yet"))
    with pytest.raises(NotReady, match=f"'{survey.id}' has no stored screenshots: materialise screenshots first"):
        preview_of_screenshots(stores, survey)
    with pytest.raises(NotReady, match="coordinates"):
        preview_of_tiles(stores, survey)
    survey, _ = placed(stores, city("no_tiles_yet"))
    with pytest.raises(NotReady, match=f"'{survey.id}' has no tiles: materialise tiles first"):
        preview_of_tiles(stores, survey)


def test_what_is_lost_is_named_with_its_key_and_the_next_step(stores: Stores) -> None:
    survey = cut(stores, city("lost_of_preview", grid="2x2", seed=826))
    area = Cell(row=0, col=0)
    key = keys.screenshot(survey.id, area)
    stores.objects.delete(key)
    said = f"'{key}', the screenshot of area {area} of '{survey.id}': materialise screenshots of '{survey.id}' again"
    with pytest.raises(ObjectMissing, match=said):
        preview_of_screenshots(stores, survey)
    zoom = survey.placed().frame.native_zoom
    tile, digest = next((tile, digest) for tile, digest in digests(stores, survey).items() if tile.z == zoom)
    stores.objects.put(keys.tile(digest), b"-")
    said = f"'{keys.tile(digest)}', tile {zoom}/{tile.x}/{tile.y} of '{survey.id}', is damaged .* delete it, then"
    with pytest.raises(ObjectDamaged, match=said):
        preview_of_tiles(stores, survey)
