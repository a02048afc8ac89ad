"""A later survey of a save makes only what differs; and whatever earlier ones are deleted, it shows the same."""

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import func, select

from imageflow_clients.database.maps import layers, tile_schema, tiles
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import Conflict, NotReady
from imageflow_domain.survey import Encoding, Keep, Layer, Survey
from imageflow_domain.tiles import LEVELS_IN_SQUARE, tiles_touching
from imageflow_surveys import states
from imageflow_surveys.blocks import cut_blocks
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.image import read_region
from imageflow_surveys.lineage import lineage_at
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.reencode import ask_to_reencode
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.shots import shot_rect
from tests.surveys.cities import carried, city, digests, placed, places_of, planned, published, reopened

CHANGED = {"year": 4, "changes": 0.05}
WIDE = {"grid": "12x3"}


def _own_rows(stores: Stores, survey: Survey) -> int:
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, survey.id, survey.placed().revision)
        table = tile_schema.tiles
        return connection.execute(
            select(func.count()).select_from(table).where(table.c.layer_id == layer.id)
        ).scalar_one()


def test_an_equal_survey_composes_encodes_and_writes_no_tile(stores: Stores) -> None:
    first = published(stores, city("equal", seed=601))
    second, _ = placed(stores, city("equal", seed=601))
    made = cut_blocks(stores, second, second.blocks())
    make_overviews(stores, second)
    second = states.read(stores, second.id)
    assert (made.composed, made.encoded) == (0, 0)
    assert made.tiles > 0
    assert digests(stores, second) == digests(stores, first)
    assert _own_rows(stores, second) == 0
    with stores.database.begin() as connection:
        assert layers.progress(connection, second.id).tiles_cut == len(digests(stores, second))


def test_a_changed_survey_makes_the_changed_tiles_alone_and_equals_one_from_scratch(stores: Stores) -> None:
    published(stores, city("changed", seed=303, **WIDE))
    second, _ = placed(stores, city("changed", seed=303, **WIDE, **CHANGED))
    made = cut_blocks(stores, second, second.blocks())
    make_overviews(stores, second)
    second = states.read(stores, second.id)
    scratch = published(stores, city("from_scratch", seed=303, **WIDE, **CHANGED))
    assert digests(stores, second) == digests(stores, scratch)
    assert 0 < made.composed < made.tiles / 2
    assert 0 < _own_rows(stores, second) < len(digests(stores, second)) / 2


def test_another_camera_composes_anew_and_encodes_nothing_where_the_pixels_are_equal(stores: Stores) -> None:
    first = published(stores, city("drifts", seed=603))
    second, _ = placed(stores, city("drifts", seed=603, drift_seed=2))
    made = cut_blocks(stores, second, second.blocks())
    make_overviews(stores, second)
    assert made.composed > 0
    assert made.encoded == 0
    assert digests(stores, states.read(stores, second.id)) == digests(stores, first)


@pytest.mark.parametrize(("wide", "is_over_it"), [("8x3", False), ("6x3", True)])
def test_a_smaller_later_survey_hides_what_only_the_earlier_one_showed(
    stores: Stores, wide: str, is_over_it: bool
) -> None:
    """Whether the earlier one reaches into other squares, and so lies beneath nothing, or ends in the same one."""
    world = [4000, 1000]
    published(stores, city(f"shrinks_{wide}", seed=604, grid=wide, world=world))
    small = published(stores, city(f"shrinks_{wide}", seed=604, grid="3x3", world=world))
    zoom = small.placed().frame.native_zoom
    touched = {
        tile for place in places_of(stores, small) for tile in tiles_touching(shot_rect(small.view, place), zoom, zoom)
    }
    shown = digests(stores, small)
    assert {tile for tile in shown if tile.z == zoom} == touched
    assert {tile for tile in shown if tile.z < zoom} == {tile.parent for tile in shown if tile.z > 0}
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, small.id, small.placed().revision)
    assert (layer.base_id is not None) == is_over_it


def test_deleting_the_survey_beneath_changes_nothing(stores: Stores) -> None:
    first = published(stores, city("beneath", seed=303, **WIDE))
    second = published(stores, city("beneath", seed=303, **WIDE, **CHANGED))
    third = published(stores, city("beneath", seed=303, **WIDE, year=8, changes=0.05))
    before = [digests(stores, one) for one in (second, third)]
    remove_survey(stores, first)
    assert [digests(stores, one) for one in (second, third)] == before
    remove_survey(stores, second)
    assert digests(stores, third) == before[1]


def test_deleting_the_survey_beneath_while_the_next_one_is_cut_changes_nothing(stores: Stores) -> None:
    spec = city("beneath_now", seed=303, grid="12x3", block_side=4, **CHANGED)
    wanted = digests(stores, published(stores, city("beneath_apart", seed=303, grid="12x3", block_side=4, **CHANGED)))
    first = published(stores, city("beneath_now", seed=303, grid="12x3", block_side=4))
    second, _ = placed(stores, spec)
    blocks = second.blocks()
    cut_blocks(stores, second, blocks[:1])
    remove_survey(stores, first)
    cut_blocks(stores, second, blocks[1:])
    make_overviews(stores, second)
    assert digests(stores, states.read(stores, second.id)) == wanted


def test_no_tile_is_looked_for_in_more_than_the_deepest_chain(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "DEEPEST", 2)
    chain = [published(stores, city("chain", grid="6x3", seed=303, year=year, changes=0.2)) for year in range(4)]
    with stores.database.begin() as connection:
        bases = [tiles.layer_of(connection, one.id, one.placed().revision).base_id is None for one in chain]
    assert bases == [True, False, True, False]


def test_tiles_cut_again_are_looked_at_in_full_and_lost_objects_come_back(stores: Stores) -> None:
    published(stores, city("lost", seed=608))
    second = published(stores, city("lost", seed=608, drift_seed=3))
    wanted = digests(stores, second)
    lost, torn = sorted(set(wanted.values()))[:2]
    stores.objects.delete(keys.tile(lost))
    stores.objects.put(keys.tile(torn), b"RIFF")
    assert cut_blocks(stores, second, second.blocks()).tiles == 0
    reopened(stores, second, Layer.TILES)
    made = cut_blocks(stores, second, second.blocks())
    zoom = second.placed().frame.native_zoom
    in_squares = {digest for tile, digest in wanted.items() if tile.z > zoom - LEVELS_IN_SQUARE}
    assert made.encoded == len(in_squares & {lost, torn})
    assert made.composed == sum(tile.z == zoom for tile in wanted)
    make_overviews(stores, second)
    assert digests(stores, states.read(stores, second.id)) == wanted
    assert stores.objects.exists(keys.tile(lost))
    assert len(stores.objects.get(keys.tile(torn), next_step="")) > 4


def test_another_encoding_makes_every_tile_anew_from_native_tiles_once_the_screenshots_are_gone(
    stores: Stores,
) -> None:
    survey = carried(stores, published(stores, city("encoded", seed=609, keep=Keep.DELETE)))
    before = read_region(stores, survey, survey.published().bounds).rgb
    old = digests(stores, survey)
    asked = ask_to_reencode(stores, survey.id, Encoding(lossless_method=2, lossy_quality=60))
    assert states.read(stores, survey.id).published_revision == survey.published_revision
    made = cut_blocks(stores, asked, asked.blocks())
    assert made.sources == ("native tiles",)
    make_overviews(stores, asked)
    asked = states.read(stores, survey.id)
    now = digests(stores, asked)
    assert now.keys() == old.keys()
    assert not set(now.values()) & set(old.values())
    assert made.encoded == len(
        {digest for tile, digest in now.items() if tile.z >= asked.placed().frame.native_zoom - 2}
    )
    assert np.array_equal(read_region(stores, asked, asked.published().bounds).rgb, before)
    # the same as a survey that was encoded so from the start
    fresh = city("encoded_fresh", seed=609).model_copy(
        update={"encoding": Encoding(lossless_method=2, lossy_quality=60)}
    )
    assert digests(stores, published(stores, fresh)) == now


def test_another_encoding_of_kept_screenshots_is_made_from_them(stores: Stores) -> None:
    survey = published(stores, city("encoded_kept", seed=610))
    asked = ask_to_reencode(stores, survey.id, Encoding(lossless_method=1))
    assert cut_blocks(stores, asked, asked.blocks()).sources == ("screenshots",)


def test_the_encoding_that_a_survey_has_is_refused(stores: Stores) -> None:
    survey = published(stores, city("encoded_so", seed=611))
    with pytest.raises(Conflict, match="is encoded so already"):
        ask_to_reencode(stores, survey.id, survey.spec.encoding)


def test_a_survey_without_coordinates_cannot_be_encoded_anew(stores: Stores) -> None:
    survey = planned(stores, city("encoded_early"))
    with pytest.raises(NotReady, match="materialise coordinates first"):
        ask_to_reencode(stores, survey.id, Encoding(lossless_method=1))


@pytest.mark.parametrize("keep", [Keep.KEEP, Keep.DELETE])
def test_lineage_names_the_screenshots_of_a_place_also_once_they_are_deleted(stores: Stores, keep: Keep) -> None:
    survey = published(stores, city(f"lineage_{keep}", seed=612, keep=keep))
    bounds = survey.published().bounds
    x, y = bounds.x_px + bounds.width_px // 2, bounds.y_px + bounds.height_px // 2
    before = lineage_at(stores, survey.id, x, y)
    clean_up(stores, survey)
    after = lineage_at(stores, survey.id, x, y)
    showing = {p.cell for p in places_of(stores, survey) if p.x_px <= x < p.x_px + 320 and p.y_px <= y < p.y_px + 256}
    assert {shot.placement.cell for shot in after.shots} == showing
    assert all(shot.digest for shot in after.shots)
    assert [shot.stored for shot in after.shots] == [keep is Keep.KEEP] * len(showing)
    assert replace(after, shots=()) == replace(before, shots=())
    assert [(s.placement, s.digest) for s in after.shots] == [(s.placement, s.digest) for s in before.shots]
    assert before.digest == digests(stores, survey)[before.tile]


def test_an_encoding_that_was_asked_for_and_not_finished_can_be_taken_back(stores: Stores) -> None:
    survey = published(stores, city("taken_back", seed=612, keep=Keep.DELETE))
    clean_up(stores, survey)
    before = digests(stores, survey)
    other = ask_to_reencode(stores, survey.id, Encoding(lossless_method=1))
    cut_blocks(stores, other, other.blocks()[:1])
    back = carried(stores, ask_to_reencode(stores, survey.id, survey.spec.encoding))
    assert back.published_revision == survey.published_revision
    assert digests(stores, back) == before
