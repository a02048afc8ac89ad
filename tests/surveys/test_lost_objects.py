"""What the store has lost, or holds damaged, is named: which picture, where its object lay, and what to do."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import pytest

from imageflow_clients.database.maps import layers, screenshots, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.screenshots import StoredShot
from imageflow_clients.database.maps.tiles import StoredTile
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import ImageFlowError, NotFound, NotReady, ObjectDamaged, ObjectMissing
from imageflow_domain.grid import Block, Cell
from imageflow_domain.survey import Encoding, Keep, Survey, SurveySpec
from imageflow_surveys import states
from imageflow_surveys.blocks import cut_blocks, register_blocks
from imageflow_surveys.changes import changes_between
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.image import read_region
from imageflow_surveys.lineage import lineage_at
from imageflow_surveys.overlays import overlays_of
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.pictures import find_picture, overlap_picture
from imageflow_surveys.place import place_survey
from imageflow_surveys.reencode import ask_to_reencode
from tests.surveys.cities import captured, carried, city, cut, digests, placed, published, registered

FIRST = Cell(row=0, col=0)


@dataclass(frozen=True, kw_only=True)
class Harm:
    """What happens to an object."""

    name: str
    error: type[ImageFlowError]
    do: Callable[[Stores, str], None]

    def city(self, save: str, *, grid: str = "3x3", keep: Keep = Keep.KEEP, **parameters: object) -> SurveySpec:
        """Ask for a city of which no other survey shares a tile."""
        return city(
            f"{save}_{self.name}",
            grid=grid,
            keep=keep,
            seed=crc32(f"{save} {self.name}".encode()) % 10**6,
            **parameters,
        )


def _delete(stores: Stores, key: str) -> None:
    stores.objects.delete(key)


def _cut_off(stores: Stores, key: str) -> None:
    data = stores.objects.get(key, next_step="")
    stores.objects.put(key, data[: len(data) // 2])


def _empty(stores: Stores, key: str) -> None:
    stores.objects.put(key, b"")


harms = pytest.mark.parametrize(
    "harm",
    [
        Harm(name="deleted", error=ObjectMissing, do=_delete),
        Harm(name="cut_off", error=ObjectDamaged, do=_cut_off),
        Harm(name="emptied", error=ObjectDamaged, do=_empty),
    ],
    ids=lambda harm: harm.name,
)


def _shot(stores: Stores, survey: Survey, cell: Cell = FIRST) -> StoredShot:
    with stores.database.begin() as connection:
        return screenshots.stored(connection, survey.id)[cell]


def _tile(stores: Stores, survey: Survey, above_native: int = 0) -> StoredTile:
    """Return the first tile of a survey at so many levels above the native zoom."""
    mosaic = survey.placed()
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, survey.id, mosaic.revision)
        return next(iter(tiles.at_zoom(connection, layer, mosaic.frame.native_zoom - above_native).values()))


def _names_the_screenshot(survey: Survey) -> str:
    area = re.escape(f"'{keys.screenshot(survey.id, FIRST)}', the screenshot of area {FIRST} of '{survey.id}'")
    return f"{area}.*: materialise screenshots of '{survey.id}' again"


def _names_the_tile(survey: Survey, tile: StoredTile) -> str:
    where = re.escape(f"'{keys.tile(tile.digest)}', tile {tile.id.z}/{tile.id.x}/{tile.id.y} of '{survey.id}'")
    return f"{where}.*materialise tiles of '{survey.id}' again"


@harms
def test_registering_names_a_screenshot_that_is_lost(stores: Stores, harm: Harm) -> None:
    survey = captured(stores, harm.city("lost_for_offsets", grid="2x2"))
    harm.do(stores, _shot(stores, survey).object_key)
    with pytest.raises(harm.error, match=_names_the_screenshot(survey)):
        register_blocks(stores, survey, survey.blocks())


@harms
def test_the_search_for_overlays_names_a_screenshot_that_is_lost(stores: Stores, harm: Harm) -> None:
    survey = captured(stores, harm.city("lost_for_overlays", grid="2x2"))
    harm.do(stores, _shot(stores, survey).object_key)
    with pytest.raises(harm.error, match=_names_the_screenshot(survey)):
        overlays_of(stores, survey)


@harms
def test_placing_names_a_lost_tile_of_the_survey_whose_frame_it_joins(stores: Stores, harm: Harm) -> None:
    first = published(stores, harm.city("lost_for_frame", grid="3x3"))
    second = registered(stores, harm.city("lost_for_frame", grid="3x3", drift_seed=3))
    tile = _tile(stores, first)
    harm.do(stores, keys.tile(tile.digest))
    with pytest.raises(harm.error, match=_names_the_tile(first, tile)):
        place_survey(stores, second)


def test_placing_names_a_screenshot_that_was_deleted(stores: Stores) -> None:
    survey = registered(stores, city("deleted_before_placing", grid="2x2"))
    with stores.database.begin() as connection:
        screenshots.forget(connection, survey.id, [FIRST])
    said = f"screenshot of area {FIRST} of '{survey.id}' is not stored: materialise screenshots of '{survey.id}' again"
    with pytest.raises(NotReady, match=said):
        place_survey(stores, survey)


@harms
def test_cutting_names_a_screenshot_that_is_lost(stores: Stores, harm: Harm) -> None:
    survey, _ = placed(stores, harm.city("lost_for_tiles", grid="2x2"))
    harm.do(stores, _shot(stores, survey).object_key)
    with pytest.raises(harm.error, match=_names_the_screenshot(survey)):
        cut_blocks(stores, survey, survey.blocks())


@harms
def test_cutting_from_native_tiles_names_one_that_is_lost_and_asks_for_its_screenshots(
    stores: Stores, harm: Harm
) -> None:
    spec = harm.city("lost_native", grid="2x2", keep=Keep.DELETE)
    survey = carried(stores, published(stores, spec))
    tile = _tile(stores, survey)
    harm.do(stores, keys.tile(tile.digest))
    asked = ask_to_reencode(stores, survey.id, Encoding(lossless_method=2))
    said = f"tile {tile.id.z}/{tile.id.x}/{tile.id.y} of '{survey.id}'.*materialise screenshots of '{survey.id}' again"
    with pytest.raises(harm.error, match=said):
        cut_blocks(stores, asked, asked.blocks())


@harms
def test_a_lossless_copy_that_is_lost_is_averaged_again(stores: Stores, harm: Harm) -> None:
    survey = cut(stores, harm.city("lossless"))
    top = _tile(stores, survey, above_native=2)
    make_overviews(stores, survey)
    wanted = digests(stores, survey)
    harm.do(stores, keys.lossless(top.digest))
    make_overviews(stores, states.read(stores, survey.id))
    assert digests(stores, survey) == wanted


@harms
def test_overviews_name_a_sharp_tile_that_is_lost(stores: Stores, harm: Harm) -> None:
    survey = cut(stores, harm.city("lost_sharp"))
    sharp = _tile(stores, survey, above_native=1)
    stores.objects.delete(keys.lossless(_tile(stores, survey, above_native=2).digest))
    harm.do(stores, keys.tile(sharp.digest))
    with pytest.raises(harm.error, match=_names_the_tile(survey, sharp)):
        make_overviews(stores, survey)


@pytest.mark.parametrize("harm", [_cut_off, _empty])
def test_a_damaged_record_is_named_by_the_cleanup_and_by_lineage(
    stores: Stores, harm: Callable[[Stores, str], None]
) -> None:
    survey = carried(stores, published(stores, city("record", grid="2x2", seed=815, keep=Keep.DELETE)))
    key = keys.lineage(survey.id)
    harm(stores, key)
    said = f"'{key}', the sealed record of '{survey.id}', is damaged.*: delete it, then materialise screenshot_cleanup"
    bounds = survey.published().bounds
    with pytest.raises(ObjectDamaged, match=said):
        lineage_at(stores, survey.id, bounds.x_px, bounds.y_px)
    survey = _with_one_screenshot(stores, survey)
    with pytest.raises(ObjectDamaged, match=said):
        clean_up(stores, survey)
    stores.objects.delete(key)
    assert clean_up(stores, survey).lineage_key == key


def _with_one_screenshot(stores: Stores, survey: Survey) -> Survey:
    key = keys.screenshot(survey.id, FIRST)
    stores.objects.put(key, b"-")
    with stores.database.begin() as connection:
        screenshots.record(connection, survey.id, FIRST, StoredShot(object_key=key, bytes=1, digest="0"))
        screenshots.mark_placed(connection, survey.id)
    return survey


@harms
def test_pictures_name_a_screenshot_that_is_lost(stores: Stores, harm: Harm) -> None:
    survey, _ = placed(stores, harm.city("lost_picture", grid="2x2"))
    harm.do(stores, _shot(stores, survey).object_key)
    found = find_picture(stores, survey.id, FIRST, width_px=64)
    with pytest.raises(harm.error, match=_names_the_screenshot(survey)):
        found.read()
    with pytest.raises(harm.error, match=_names_the_screenshot(survey)):
        overlap_picture(stores, survey.id, FIRST, Cell(row=0, col=1))


@harms
def test_a_region_and_its_changes_name_a_tile_that_is_lost(stores: Stores, harm: Harm) -> None:
    first = published(stores, harm.city("lost_region", grid="6x4"))
    second = published(stores, harm.city("lost_region", grid="6x4", drift_seed=3, changes=0.6, year=1))
    here, there = digests(stores, first), digests(stores, second)
    zoom = second.placed().frame.native_zoom
    tile = next(tile for tile in there if tile.z == zoom and there[tile] != here.get(tile, there[tile]))
    harm.do(stores, keys.tile(there[tile]))
    stored = StoredTile(id=tile, digest=there[tile], bytes=0)
    with pytest.raises(harm.error, match=_names_the_tile(second, stored)):
        read_region(stores, second, second.published().bounds)
    with pytest.raises(harm.error, match=_names_the_tile(second, stored)):
        changes_between(stores, second, first)


def test_a_block_beside_the_grid_is_named(stores: Stores) -> None:
    survey, _ = placed(stores, city("beside", grid="2x2"))
    beside = Block(row=3, col=4)
    with pytest.raises(NotFound, match=f"'{survey.id}' has no block r03c04"):
        cut_blocks(stores, survey, [beside])
    with stores.database.begin() as connection, pytest.raises(NotFound, match="has no block r03c04"):
        layers.is_cut(connection, survey.id, beside, survey.placed().revision)


def test_a_layer_of_tiles_that_is_gone_is_named(stores: Stores) -> None:
    with stores.database.begin() as connection, pytest.raises(NotReady, match="materialise coordinates, then tiles"):
        tiles.get_layer(connection, 999_999)


def test_what_is_read_of_a_survey_that_was_deleted_is_named(stores: Stores) -> None:
    survey = cut(stores, city("deleted_meanwhile", grid="2x2"))
    with stores.database.begin() as connection:
        rows.remove(connection, survey)
    with pytest.raises(NotFound, match=f"There is no survey '{survey.id}'"):
        cut_blocks(stores, survey, survey.blocks())
