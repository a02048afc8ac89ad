"""The levels above: every one exists, they average what lies below, and publishing is the last step."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import update

from imageflow_clients.database.maps import dependencies, layers, saves, schema, screenshots, tiles
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import NotReady, ObjectMissing
from imageflow_domain.grid import Block
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import Encoding, Layer, Survey
from imageflow_domain.tiles import TileId
from imageflow_mosaic.codec import decode_tile
from imageflow_surveys import states, trust
from imageflow_surveys.blocks import cut_blocks, register_blocks
from imageflow_surveys.capture_block import capture_block
from imageflow_surveys.image import read_region
from imageflow_surveys.overview import THUMBNAIL_PX, make_overviews
from imageflow_surveys.place import place_survey
from imageflow_surveys.reencode import ask_to_reencode
from tests.surveys.cities import city, cut, digests, placed, published, reopened
from tests.surveys.stand_ins import FailingStore, Killed, Moment, failing_camera


def test_every_tile_but_the_top_one_has_a_parent_up_to_zoom_zero(stores: Stores, shown: Survey) -> None:
    made = set(digests(stores, shown))
    assert TileId(z=0, x=0, y=0) in made
    assert {tile.z for tile in made} == set(range(shown.published().frame.native_zoom + 1))
    assert all(tile.parent in made for tile in made if tile.z > 0)


def test_tile_zero_shows_the_whole_map_small(stores: Stores, shown: Survey) -> None:
    mosaic = shown.published()
    scale = 1 << mosaic.frame.native_zoom
    top = decode_tile(stores.objects.get(keys.tile(digests(stores, shown)[TileId(z=0, x=0, y=0)]), next_step=""))
    left, upper = mosaic.bounds.x_px // scale, mosaic.bounds.y_px // scale
    right, lower = mosaic.bounds.right_px // scale, mosaic.bounds.bottom_px // scale
    inside = np.zeros((512, 512), np.bool_)
    inside[upper:lower, left:right] = True
    assert top[inside][:, 3].mean() > 240
    beyond = np.ones((512, 512), np.bool_)
    beyond[: lower + 2, : right + 2] = False
    assert not top[beyond][:, 3].any()
    full = read_region(stores, shown, mosaic.bounds).rgb.mean(axis=(0, 1))
    assert np.abs(top[inside][:, :3].mean(axis=0) - full).max() < 6


def test_what_came_of_it_counts_all_levels_and_brings_a_thumbnail(stores: Stores) -> None:
    survey = cut(stores, city("counted", grid="4x4"))
    made = make_overviews(stores, survey)
    recorded = digests(stores, survey)
    assert made.tiles == len(recorded)
    assert made.levels == survey.placed().frame.native_zoom + 1
    with Image.open(BytesIO(made.thumbnail)) as picture:
        width, height = picture.size
    bounds = survey.placed().bounds
    assert max(width, height) <= THUMBNAIL_PX
    assert width / height == pytest.approx(bounds.width_px / bounds.height_px, rel=0.02)


def test_publishing_names_the_block_whose_tiles_are_missing(stores: Stores) -> None:
    survey, _ = placed(stores, city("lacking", grid="4x4", block_side=2))
    cut_blocks(stores, survey, [block for block in survey.blocks() if block != Block(row=0, col=1)])
    with pytest.raises(NotReady, match="lacks the tiles of block r00c01: materialise tiles first"):
        make_overviews(stores, survey)
    assert states.read(stores, survey.id).published_revision is None


def test_overviews_do_not_depend_on_the_lossless_copies(stores: Stores) -> None:
    """They only spare work: what is lost is averaged again from the sharp tiles."""
    wanted = digests(stores, published(stores, city("copies", seed=9)))
    survey = cut(stores, city("no_copies", seed=9))
    assert [stores.objects.delete(stored.key) for stored in list(stores.objects.list("lossless"))]
    make_overviews(stores, survey)
    assert digests(stores, states.read(stores, survey.id)) == wanted


def test_a_sharp_tile_that_is_gone_is_named(stores: Stores) -> None:
    survey = cut(stores, city("no_tile", seed=10))
    mosaic = survey.placed()
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, survey.id, mosaic.revision)
        top = next(iter(tiles.at_zoom(connection, layer, mosaic.frame.native_zoom - 2).values()))
        sharp = next(iter(tiles.at_zoom(connection, layer, mosaic.frame.native_zoom - 1).values()))
    stores.objects.delete(keys.lossless(top.digest))
    stores.objects.delete(keys.tile(sharp.digest))
    with pytest.raises(ObjectMissing, match=f"materialise tiles of '{survey.id}' again"):
        make_overviews(stores, survey)


def test_the_published_survey_becomes_its_save_s_latest(stores: Stores) -> None:
    first, second = published(stores, city("latest")), cut(stores, city("latest", drift_seed=2))
    with stores.database.begin() as connection:
        assert saves.latest(connection, "city", "latest") == first
    make_overviews(stores, second)
    with stores.database.begin() as connection:
        assert saves.latest(connection, "city", "latest") == states.read(stores, second.id)


def _open_a_loop(stores: Stores, survey: Survey) -> None:
    """Let one verified offset contradict the others."""
    pairs = schema.pair_offsets
    one = (
        pairs.c.survey_id == survey.id,
        pairs.c.reference_row == 0,
        pairs.c.reference_col == 0,
        pairs.c.moving_row == 0,
    )
    with stores.database.begin() as connection:
        changed = connection.execute(update(pairs).where(*one).values(dx_px=pairs.c.dx_px + 7))
    assert changed.rowcount == 1


def _doubt_most_places(stores: Stores, survey: Survey) -> None:
    coordinates = schema.coordinates
    with stores.database.begin() as connection:
        connection.execute(
            update(coordinates)
            .where(coordinates.c.survey_id == survey.id, coordinates.c.row > 0)
            .values(status=PlacementStatus.AMBIGUOUS)
        )


def _latest(stores: Stores, save: str) -> Survey | None:
    with stores.database.begin() as connection:
        return saves.latest(connection, "city", save)


def _is_made(stores: Stores, survey: Survey) -> bool:
    with stores.database.begin() as connection:
        return Layer.OVERVIEWS in layers.progress(connection, survey.id).done_layers


def test_a_survey_of_which_a_check_found_an_error_is_whole_and_not_published(stores: Stores) -> None:
    first, second = published(stores, city("not_shown")), cut(stores, city("not_shown", drift_seed=2))
    _open_a_loop(stores, second)
    made = make_overviews(stores, second)
    now = states.read(stores, second.id)
    assert made.withheld == now.withheld == trust.loops_close(stores, second).text
    assert "loops of neighbouring offsets do not close" in made.withheld
    assert (now.published_revision, now.is_published) == (None, False)
    assert _is_made(stores, second)
    assert _latest(stores, "not_shown") == first
    assert made.tiles == len(digests(stores, second)) > 0
    with pytest.raises(NotReady, match=f"The map of '{second.id}' is not published: .* loops of neighbouring offsets"):
        now.published()


def test_every_error_is_told_and_a_tile_that_is_missing_is_one(stores: Stores) -> None:
    survey = cut(stores, city("two_errors", seed=77))
    zoom = survey.placed().frame.native_zoom
    sharp = next(digest for tile, digest in digests(stores, survey).items() if tile.z == zoom)
    stores.objects.delete(keys.tile(sharp))
    _open_a_loop(stores, survey)
    made = make_overviews(stores, survey)
    assert not made.tiles_whole.holds
    assert made.withheld == f"{made.tiles_whole.text} {trust.loops_close(stores, survey).text}"


def test_what_was_withheld_is_published_all_the_same_where_somebody_asks_for_it(stores: Stores) -> None:
    survey = cut(stores, city("despite"))
    _open_a_loop(stores, survey)
    assert make_overviews(stores, survey).withheld is not None
    made = make_overviews(stores, states.read(stores, survey.id), publish_despite_errors=True)
    now = states.read(stores, survey.id)
    assert (made.withheld, now.withheld) == (None, None)
    assert now.published() == survey.placed()
    assert _latest(stores, "despite") == now


def test_what_was_withheld_is_published_once_nothing_is_wrong_any_more(stores: Stores) -> None:
    survey = cut(stores, city("mended", seed=78))
    lost = next(iter(digests(stores, survey).values()))
    stores.objects.delete(keys.tile(lost))
    assert make_overviews(stores, survey).withheld is not None
    again = reopened(stores, survey, Layer.TILES)
    assert not _is_made(stores, again)
    cut_blocks(stores, again, again.blocks())
    assert make_overviews(stores, again).withheld is None
    now = states.read(stores, survey.id)
    assert (now.is_published, now.withheld) == (True, None)


def test_overviews_of_a_withheld_map_are_looked_at_one_by_one_when_they_are_made_again(stores: Stores) -> None:
    """An object that an earlier survey has written is lost: nobody else would write it again."""
    first = published(stores, city("lost_top", seed=79))
    stores.objects.delete(keys.tile(digests(stores, first)[TileId(z=0, x=0, y=0)]))
    second = cut(stores, city("lost_top", seed=79))
    assert make_overviews(stores, second).withheld is not None
    assert make_overviews(stores, states.read(stores, second.id)).withheld is None
    assert states.read(stores, second.id).is_published


def test_a_warning_does_not_keep_a_map_from_being_published(stores: Stores) -> None:
    survey = cut(stores, city("warned"))
    _doubt_most_places(stores, survey)
    assert not trust.mostly_anchored(stores, survey).holds
    assert make_overviews(stores, survey).withheld is None
    assert states.read(stores, survey.id).is_published


def test_a_revision_that_is_public_stays_so_when_it_is_made_again(stores: Stores) -> None:
    """Its addresses may be cached anywhere; the checks tell what is wrong."""
    before = published(stores, city("stays_public"))
    _open_a_loop(stores, before)
    again = reopened(stores, before, Layer.TILES)
    cut_blocks(stores, again, again.blocks())
    made = make_overviews(stores, again)
    now = states.read(stores, before.id)
    assert (made.withheld, now.withheld, now.published_revision) == (None, None, before.published_revision)
    assert _latest(stores, "stays_public") == now


def test_another_revision_of_a_public_survey_is_withheld_and_the_old_one_shown(stores: Stores) -> None:
    before = published(stores, city("reencoded"))
    _open_a_loop(stores, before)
    asked = ask_to_reencode(stores, before.id, Encoding(lossless_method=2))
    cut_blocks(stores, asked, asked.blocks())
    assert make_overviews(stores, asked).withheld is not None
    now = states.read(stores, before.id)
    assert now.published_revision == before.published_revision != now.placed().revision
    assert _is_made(stores, now)
    with stores.database.begin() as connection:
        assert tiles.find(connection, now.id, str(now.published_revision), TileId(z=0, x=0, y=0)) is not None


def test_a_publication_that_is_killed_leaves_the_old_revision_served(stores: Stores, home: Path) -> None:
    old = published(stores, city("switch", drift_seed=1))
    reopened(stores, old, Layer.SCREENSHOTS)
    with failing_camera(city("switch", drift_seed=2), Moment(Killed(), at_call=100)) as camera:
        capture_block(stores, old, Block(row=0, col=0), camera)
    register_blocks(stores, old, old.blocks())
    place_survey(stores, states.read(stores, old.id))
    new = states.read(stores, old.id)
    cut_blocks(stores, new, new.blocks())
    assert new.placed().revision != old.published().revision

    thumbnail = keys.thumbnail(new.id, new.placed().revision)
    failing = FailingStore(home, Moment(Killed(), at_call=1), concerns=lambda key: key == thumbnail)
    with pytest.raises(Killed):
        make_overviews(Stores(database=stores.database, objects=failing, scratch=stores.scratch), new)

    now = states.read(stores, old.id)
    assert now.published_revision == old.published_revision
    with stores.database.begin() as connection:
        served = tiles.find(connection, old.id, str(now.published_revision), TileId(z=0, x=0, y=0))
        assert Layer.OVERVIEWS not in layers.progress(connection, old.id).done_layers
    assert served is not None
    assert decode_tile(stores.objects.get(keys.tile(served.digest), next_step="")).any()

    make_overviews(stores, new)
    assert states.read(stores, old.id).published_revision == new.placed().revision


def test_publishing_counts_for_each_screenshot_the_tiles_that_show_it(stores: Stores) -> None:
    survey = cut(stores, city("usage"))
    with stores.database.begin() as connection:
        assert dependencies.no_longer_needed(connection, survey.id) == ()
    make_overviews(stores, survey)
    with stores.database.begin() as connection:
        done = set(dependencies.no_longer_needed(connection, survey.id))
        assert done == set(screenshots.stored(connection, survey.id))
