"""Deleting a survey takes what is its own, and leaves what others show."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from imageflow_clients.database.maps import saves, tiles
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import Conflict, NotFound
from imageflow_domain.survey import Survey
from imageflow_surveys import states
from imageflow_surveys.image import read_region
from imageflow_surveys.lease import hold
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.sweep import sweep
from tests.surveys.cities import city, digests, planned, published
from tests.surveys.operators import run


def _sweep_twice(stores: Stores) -> None:
    for _ in range(2):
        sweep(stores, grace=timedelta(0))


def _own(stores: Stores, survey: Survey) -> list[str]:
    return [stored.key for stored in stores.objects.list(f"{keys.survey_prefix(survey.id)}/")]


def test_a_survey_that_shares_no_tile_leaves_nothing_behind(stores: Stores) -> None:
    survey = published(stores, city("alone", seed=301))
    own_tiles = set(digests(stores, survey).values())
    remove_survey(stores, survey)
    _sweep_twice(stores)
    assert not any(stores.objects.exists(keys.tile(digest)) for digest in own_tiles)
    assert _own(stores, survey) == []
    with pytest.raises(NotFound):
        states.read(stores, survey.id)


def test_tiles_that_another_survey_shows_stay(stores: Stores) -> None:
    gone, stays = published(stores, city("goes", seed=302)), published(stores, city("stays", seed=302))
    assert digests(stores, gone) == digests(stores, stays)
    remove_survey(stores, gone)
    assert digests(stores, stays)
    _sweep_twice(stores)
    assert read_region(stores, stays, stays.published().bounds).covered.any()
    assert _own(stores, gone) == []
    assert _own(stores, stays)


def test_of_two_surveys_only_the_tiles_of_the_deleted_one_go(stores: Stores) -> None:
    """The second year's houses differ in one corner: most tiles are shared, some are not."""
    spec = {"grid": "12x3", "seed": 321}
    stays = published(stores, city("part", **spec, year=0))
    goes = published(stores, city("part", **spec, year=4, changes=0.05))
    kept, lost = set(digests(stores, stays).values()), set(digests(stores, goes).values())
    assert kept & lost
    assert lost - kept
    remove_survey(stores, goes)
    _sweep_twice(stores)
    assert all(stores.objects.exists(keys.tile(digest)) for digest in kept)
    assert not any(stores.objects.exists(keys.tile(digest)) for digest in lost - kept)


def test_a_running_survey_is_not_deleted(stores: Stores) -> None:
    survey = hold(stores, planned(stores, city("runs")).id, run("r1")).survey
    with pytest.raises(Conflict, match=f"Run r1 is at work on '{survey.id}': wait for its end"):
        remove_survey(stores, survey)
    assert states.read(stores, survey.id) == survey


def test_a_survey_whose_run_began_since_it_was_read_is_not_deleted(stores: Stores) -> None:
    seen = planned(stores, city("runs_now"))
    hold(stores, seen.id, run("r1"))
    with pytest.raises(Conflict, match="Run r1 is at work"):
        remove_survey(stores, seen)


def test_the_latest_falls_back_to_the_survey_published_before(stores: Stores) -> None:
    first, second = published(stores, city("fallback")), published(stores, city("fallback"))
    remove_survey(stores, second)
    with stores.database.begin() as connection:
        assert saves.latest(connection, "city", "fallback") == first
    remove_survey(stores, first)
    with stores.database.begin() as connection:
        assert saves.latest(connection, "city", "fallback") is None


def test_a_survey_that_is_begun_over_one_that_is_being_deleted_keeps_what_it_shows(stores: Stores) -> None:
    """The layer begun over another is not there to be seen yet when the other one is to go."""
    base, heir = published(stores, city("base", seed=331)), published(stores, city("heir", seed=332))
    shown = digests(stores, base)
    goes = _layer(stores, base)
    with ThreadPoolExecutor(1) as pool:
        with stores.database.begin() as connection:
            kept = tiles.find_layer(connection, base.id, base.published().revision, keep=True)
            begun = tiles.open_layer(connection, heir.id, "0" * 12, placement="-", encoding=goes.encoding, base=kept)
            deleted = pool.submit(remove_survey, stores, base)
            with pytest.raises(TimeoutError):
                deleted.result(timeout=0.5)
        deleted.result(timeout=30)
    with stores.database.begin() as connection:
        assert tiles.get_layer(connection, begun.id).base_id is None
        assert {tile.id: tile.digest for tile in tiles.every(connection, heir.id, "0" * 12)} == shown


def _layer(stores: Stores, survey: Survey) -> tiles.TileLayer:
    with stores.database.begin() as connection:
        return tiles.layer_of(connection, survey.id, survey.published().revision)
