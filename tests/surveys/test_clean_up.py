"""Cleaning up: the record is sealed, only what no tile needs goes, and a killed deletion is finished."""

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import LocalStore
from sqlalchemy import delete, insert

from imageflow_clients.database.maps import layers, schema, screenshots, tile_schema, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.objects import ObjectStore
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import NotReady
from imageflow_domain.grid import Block, Cell
from imageflow_domain.survey import Keep, Layer, Survey
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.cut_block import cut_block
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey
from tests.surveys.cities import carried, city, cut, digests, places_of, planned, published, reopened
from tests.surveys.stand_ins import FailingStore, Killed, Moment

ONLY = Block(row=0, col=0)


class _Meanwhile(ObjectStore):
    """The folder of objects under a home; once a record is sealed there, something else happens."""

    def __init__(self, home: Path, happen: Callable[[], None]) -> None:
        super().__init__(LocalStore(home / "objects"), label="a store beside others")
        self._happen = happen

    def put(self, key: str, data: bytes) -> None:
        super().put(key, data)
        self._happen()


def _objects(stores: Stores, survey: Survey) -> set[str]:
    return {stored.key for stored in stores.objects.list(f"{keys.survey_prefix(survey.id)}/screenshots/")}


def _rows(stores: Stores, survey: Survey) -> int:
    with stores.database.begin() as connection:
        stored = screenshots.stored(connection, survey.id)
        return len(stored) + len(screenshots.being_deleted(connection, survey.id))


def _take_again(stores: Stores, survey: Survey, blocks: Iterable[Block]) -> None:
    again = tuple(blocks)
    reopened(stores, survey, Layer.SCREENSHOTS, again)
    capture_blocks(stores, survey, again)


def _is_clean(stores: Stores, survey: Survey) -> bool:
    with stores.database.begin() as connection:
        return Layer.CLEANUP in layers.progress(connection, survey.id).done_layers


def test_the_sealed_record_tells_every_place_and_offset(stores: Stores) -> None:
    survey = published(stores, city("sealed"))
    with stores.database.begin() as connection:
        stored = screenshots.stored(connection, survey.id)
    result = clean_up(stores, survey)
    record = json.loads(gzip.decompress(stores.objects.get(result.lineage_key, next_step="")))
    assert record["survey"] == survey.id
    assert record["revision"] == survey.published().revision
    assert record["spec"] == survey.spec.model_dump(mode="json")
    told = {
        Cell(row=s["row"], col=s["col"]): (s["x_px"], s["y_px"], s["status"], s["digest"])
        for s in record["screenshots"]
    }
    assert told == {p.cell: (p.x_px, p.y_px, p.status, stored[p.cell].digest) for p in places_of(stores, survey)}
    assert len(record["offsets"]) >= 12
    assert {"reference", "moving", "dx_px", "dy_px", "sigma_px", "votes", "agreement"} == set(record["offsets"][0])


def test_a_survey_that_keeps_its_screenshots_loses_none(stores: Stores) -> None:
    survey = published(stores, city("keeps", keep=Keep.KEEP))
    before = _objects(stores, survey)
    result = clean_up(stores, survey)
    assert (result.kept, result.deleted, result.bytes_freed) == (9, 0, 0)
    assert _objects(stores, survey) == before
    assert _is_clean(stores, survey)


def test_screenshots_that_no_tile_needs_are_deleted_where_asked(stores: Stores) -> None:
    survey = published(stores, city("deletes", keep=Keep.DELETE))
    with stores.database.begin() as connection:
        size = sum(shot.bytes for shot in screenshots.stored(connection, survey.id).values())
    result = clean_up(stores, survey)
    assert (result.kept, result.deleted, result.bytes_freed) == (0, 9, size)
    assert (_objects(stores, survey), _rows(stores, survey)) == (set(), 0)
    assert all(stores.objects.exists(keys.tile(digest)) for digest in digests(stores, survey).values())


def test_a_screenshot_that_a_missing_tile_needs_is_kept(stores: Stores) -> None:
    survey = cut(stores, city("needed", grid="4x4", keep=Keep.DELETE))
    mosaic = survey.placed()
    zoom = mosaic.frame.native_zoom
    first_tile = (mosaic.bounds.x_px // 512, mosaic.bounds.y_px // 512)
    table = tile_schema.tiles
    with stores.database.begin() as connection:
        lost = connection.execute(
            delete(table).where(
                table.c.layer_id == tiles.layer_of(connection, survey.id, mosaic.revision).id,
                table.c.z == zoom,
                table.c.x == first_tile[0],
                table.c.y == first_tile[1],
            )
        )
    assert lost.rowcount == 1
    make_overviews(stores, survey, publish_despite_errors=True)
    result = clean_up(stores, states.read(stores, survey.id))
    needed = {
        place.cell
        for place in places_of(stores, survey)
        if place.x_px < (first_tile[0] + 1) * 512 and place.y_px < (first_tile[1] + 1) * 512
    }
    assert 0 < len(needed) < 16
    assert _objects(stores, survey) == {keys.screenshot(survey.id, cell) for cell in needed}
    assert (result.kept, result.deleted) == (len(needed), 16 - len(needed))


@pytest.mark.parametrize("died_at", [1, 4])
def test_a_deletion_that_was_killed_is_finished_by_the_next(stores: Stores, home: Path, died_at: int) -> None:
    survey = published(stores, city(f"killed_{died_at}", keep=Keep.DELETE))
    failing = FailingStore(home, Moment(Killed(), at_call=died_at), concerns=lambda key: "/screenshots/" in key)
    with pytest.raises(Killed):
        clean_up(replace(stores, objects=failing), survey)
    assert len(_objects(stores, survey)) == 9 - (died_at - 1)
    assert not _is_clean(stores, survey)
    sealed = stores.objects.get(keys.lineage(survey.id), next_step="")

    clean_up(stores, survey)
    assert (_objects(stores, survey), _rows(stores, survey)) == (set(), 0)
    assert _is_clean(stores, survey)
    assert stores.objects.get(keys.lineage(survey.id), next_step="") == sealed


def test_cleaning_up_twice_keeps_the_sealed_record(stores: Stores) -> None:
    survey = published(stores, city("cleaned_twice", keep=Keep.DELETE))
    clean_up(stores, survey)
    sealed = stores.objects.get(keys.lineage(survey.id), next_step="")
    again = clean_up(stores, survey)
    assert (again.kept, again.deleted) == (0, 0)
    assert stores.objects.get(keys.lineage(survey.id), next_step="") == sealed


def test_ten_thousand_screenshots_are_noted_and_forgotten_at_once(stores: Stores) -> None:
    survey = planned(stores, city("many", grid="100x100"))
    cells = [Cell(row=row, col=col) for row in range(100) for col in range(100)]
    table = schema.screenshots
    with stores.database.begin() as connection:
        connection.execute(
            insert(table),
            [
                {"survey_id": survey.id, "row": c.row, "col": c.col, "object_key": str(c), "bytes": 1, "digest": "0"}
                for c in cells
            ],
        )
        screenshots.mark_deleting(connection, survey.id, cells[1:])
        assert screenshots.being_deleted(connection, survey.id).keys() == set(cells[1:])
        screenshots.forget(connection, survey.id, cells[1:])
        assert screenshots.stored(connection, survey.id).keys() == {cells[0]}


def test_a_withheld_survey_keeps_its_screenshots_and_is_sealed_as_it_is_placed(stores: Stores) -> None:
    survey = cut(stores, city("withheld", keep=Keep.DELETE))
    with stores.database.begin() as connection:
        rows.withhold(connection, survey, 9, "2 loops do not close.")
    result = clean_up(stores, survey)
    assert (result.kept, result.deleted, result.bytes_freed) == (9, 0, 0)
    assert len(_objects(stores, survey)) == 9
    assert _is_clean(stores, survey)
    record = json.loads(gzip.decompress(stores.objects.get(result.lineage_key, next_step="")))
    assert record["revision"] == survey.placed().revision
    # published all the same, it gives up what no tile needs
    make_overviews(stores, states.read(stores, survey.id))
    assert clean_up(stores, states.read(stores, survey.id)).deleted == 9


def test_nothing_is_cleaned_up_before_the_map_is_published(stores: Stores) -> None:
    survey = cut(stores, city("too_early", keep=Keep.DELETE))
    with pytest.raises(NotReady, match="materialise its overviews first"):
        clean_up(stores, survey)
    assert len(_objects(stores, survey)) == 9


def test_tiles_and_coordinates_after_the_cleanup_name_the_screenshots_to_take_again(stores: Stores) -> None:
    survey = published(stores, city("too_late", keep=Keep.DELETE))
    clean_up(stores, survey)
    with pytest.raises(NotReady, match="blocks: \\[r00c00\\]"):
        cut_block(stores, survey, ONLY)
    with pytest.raises(NotReady, match="blocks: \\[r00c00\\]"):
        place_survey(stores, survey)
    assert states.read(stores, survey.id) == survey


def test_screenshots_taken_again_after_the_cleanup_are_cleaned_up_again(stores: Stores) -> None:
    survey = carried(stores, published(stores, city("cleaned_anew", keep=Keep.DELETE)))
    assert _objects(stores, survey) == set()
    _take_again(stores, survey, survey.blocks())
    assert len(_objects(stores, survey)) == 9
    carried(stores, survey)
    assert (_objects(stores, survey), _rows(stores, survey)) == (set(), 0)


def test_nothing_is_cleaned_up_while_a_block_is_taken_again_and_no_sealed_digest_is_lost(stores: Stores) -> None:
    survey = published(stores, city("retaken", grid="4x4", keep=Keep.DELETE, block_side=2))
    clean_up(stores, survey)
    sealed = stores.objects.get(keys.lineage(survey.id), next_step="")
    _take_again(stores, survey, [ONLY])
    with pytest.raises(NotReady, match="not whole: materialise its"):
        clean_up(stores, states.read(stores, survey.id))
    assert len(_objects(stores, survey)) == 4
    assert stores.objects.get(keys.lineage(survey.id), next_step="") == sealed


def test_screenshots_are_not_taken_again_while_they_are_being_deleted(stores: Stores, home: Path) -> None:
    survey = published(stores, city("being_deleted", keep=Keep.DELETE))
    failing = FailingStore(home, Moment(Killed(), at_call=2), concerns=lambda key: "/screenshots/" in key)
    with pytest.raises(Killed):
        clean_up(replace(stores, objects=failing), survey)
    with pytest.raises(NotReady, match="screenshot_cleanup to the end"):
        _take_again(stores, survey, [ONLY])
    clean_up(stores, survey)
    _take_again(stores, survey, [ONLY])
    assert len(_objects(stores, survey)) == 9


@pytest.mark.parametrize("keep", list(Keep))
def test_a_block_that_is_taken_again_once_the_record_is_sealed_is_to_be_cleaned_up_again(
    stores: Stores, home: Path, keep: Keep
) -> None:
    survey = published(stores, city(f"taken_meanwhile_{keep}", keep=keep))
    beside = _Meanwhile(home, lambda: _take_again(stores, survey, [ONLY]))
    with pytest.raises(NotReady, match="not whole: materialise its"):
        clean_up(replace(stores, objects=beside), survey)
    assert not _is_clean(stores, survey)
    assert len(_objects(stores, survey)) == 9


@pytest.mark.parametrize("keep", list(Keep))
def test_screenshots_of_another_map_than_the_sealed_one_stay(stores: Stores, home: Path, keep: Keep) -> None:
    survey = published(stores, city(f"other_map_{keep}", keep=keep))
    cell = Cell(row=0, col=0)

    def another_picture() -> None:
        with stores.database.begin() as connection:
            shot = screenshots.stored(connection, survey.id)[cell]
            screenshots.record(connection, survey.id, cell, replace(shot, digest="another"))

    with pytest.raises(NotReady, match="changed while its record was sealed: materialise its screenshot_cleanup again"):
        clean_up(replace(stores, objects=_Meanwhile(home, another_picture)), survey)
    assert not _is_clean(stores, survey)
    assert len(_objects(stores, survey)) == 9
