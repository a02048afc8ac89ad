"""An exported map holds the store's own tiles, and says where it lies."""

from collections.abc import Mapping
from io import BytesIO
from math import asinh, pi, radians, tan
from pathlib import Path

import pytest
from pmtiles.reader import MemorySource, Reader, all_tiles

from imageflow_clients.database.maps import tiles
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import NotReady, ObjectMissing
from imageflow_domain.survey import Survey
from imageflow_domain.tiles import TileId
from imageflow_surveys.export import describe, export_archive, export_folder
from imageflow_surveys.tilejson import TileJson
from tests.surveys.cities import city, cut, digests, published


def stored(stores: Stores, survey: Survey) -> Mapping[TileId, bytes]:
    return {
        tile: stores.objects.get(keys.tile(digest), next_step="look")
        for tile, digest in digests(stores, survey).items()
    }


def test_the_reference_reader_finds_every_tile_of_the_store_and_no_other(stores: Stores, shown: Survey) -> None:
    file, steps = BytesIO(), []
    done = export_archive(stores, shown, file, lambda *step: steps.append(step))
    expected = stored(stores, shown)
    found = {TileId(z=z, x=x, y=y): data for (z, x, y), data in all_tiles(MemorySource(file.getvalue()))}
    assert found == expected
    assert (done.tiles, done.written) == (len(expected), len(set(expected.values())))
    assert steps == [(n, done.written) for n in range(1, done.written + 1)]


def test_the_archive_says_where_the_map_lies(stores: Stores, shown: Survey) -> None:
    file = BytesIO()
    export_archive(stores, shown, file, lambda *_: None)
    reader = Reader(MemorySource(file.getvalue()))
    header, mosaic = reader.header(), shown.published()
    assert (header["min_zoom"], header["max_zoom"]) == (0, mosaic.frame.native_zoom)
    assert header["tile_type"].name == "WEBP"

    side = mosaic.frame.side_px
    # as a Web Mercator viewer places them, to a hundredth of a game pixel
    left, right = ((header[name] / 1e7 + 180) / 360 * side for name in ("min_lon_e7", "max_lon_e7"))
    top, bottom = (
        (1 - asinh(tan(radians(header[name] / 1e7))) / pi) / 2 * side for name in ("max_lat_e7", "min_lat_e7")
    )
    bounds = mosaic.bounds
    assert [left, top, right, bottom] == pytest.approx(
        [bounds.x_px, bounds.y_px, bounds.right_px, bounds.bottom_px], abs=0.01
    )
    middle = (header["center_lon_e7"] / 1e7 + 180) / 360 * side
    assert middle == pytest.approx((left + right) / 2, abs=0.01)


def test_the_archive_s_json_gives_game_pixels(stores: Stores, shown: Survey) -> None:
    file = BytesIO()
    export_archive(stores, shown, file, lambda *_: None)
    facts = Reader(MemorySource(file.getvalue())).metadata()
    mosaic = shown.published()
    assert facts["name"] == shown.id
    assert facts["imageflow"] == {
        "survey": shown.id,
        "revision": mosaic.revision,
        "game": "city",
        "save": "shown",
        "frame": {
            "number": mosaic.frame.number,
            "native_zoom": mosaic.frame.native_zoom,
            "side_px": mosaic.frame.side_px,
        },
        "bounds": mosaic.bounds.model_dump(),
        "tile_px": 512,
    }
    assert "attribution" not in facts


def test_a_folder_holds_every_tile_of_the_store_and_no_other(stores: Stores, shown: Survey, tmp_path: Path) -> None:
    done = export_folder(stores, shown, tmp_path, lambda *_: None)
    expected = stored(stores, shown)
    found = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.webp")}
    assert found == {f"{tile.z}/{tile.x}/{tile.y}.webp": data for tile, data in expected.items()}
    assert done.tiles == done.written == len(expected)


def test_a_folder_s_tilejson_points_beside_itself(stores: Stores, shown: Survey, tmp_path: Path) -> None:
    export_folder(stores, shown, tmp_path, lambda *_: None)
    read = TileJson.model_validate_json((tmp_path / "tilejson.json").read_text())
    assert read == describe(shown)
    assert read.tiles == ["{z}/{x}/{y}.webp"]


def test_a_survey_without_a_map_cannot_be_exported(stores: Stores, tmp_path: Path) -> None:
    survey = cut(stores, city("no_export"))
    with pytest.raises(NotReady, match="materialise its overviews first"):
        export_archive(stores, survey, BytesIO(), lambda *_: None)
    with pytest.raises(NotReady, match="materialise its overviews first"):
        export_folder(stores, survey, tmp_path, lambda *_: None)


def test_a_tile_s_object_that_is_gone_is_named(stores: Stores, tmp_path: Path) -> None:
    survey = published(stores, city("half_gone", seed=78))
    mosaic = survey.published()
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, survey.id, mosaic.revision)
        native = tiles.at_zoom(connection, layer, mosaic.frame.native_zoom)
    key = keys.tile(next(iter(native.values())).digest)
    stores.objects.delete(key)
    with pytest.raises(
        ObjectMissing, match=f"'{key}', tile .* of '{survey.id}': materialise tiles of '{survey.id}' again"
    ):
        export_archive(stores, survey, BytesIO(), lambda *_: None)
    with pytest.raises(
        ObjectMissing, match=f"'{key}', tile .* of '{survey.id}': materialise tiles of '{survey.id}' again"
    ):
        export_folder(stores, survey, tmp_path, lambda *_: None)
