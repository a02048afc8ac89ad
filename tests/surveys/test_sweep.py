"""A sweep takes what nobody needs, in two passes, and never what somebody is about to need."""

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import tile_objects, tile_schema
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain import keys
from imageflow_domain.survey import Survey
from imageflow_surveys.blocks import cut_blocks
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.sweep import GRACE, sweep
from tests.clients.servers import within
from tests.surveys.cities import city, digests, placed, planned, published

NOW = timedelta(0)


def _are_there(stores: Stores, wanted: set[str]) -> list[bool]:
    return [stores.objects.exists(keys.tile(digest)) for digest in sorted(wanted)]


def _gone(stores: Stores, save: str, seed: int) -> set[str]:
    """Publish and delete a survey; return the digests of its tiles."""
    survey = published(stores, city(save, seed=seed))
    wanted = set(digests(stores, survey).values())
    remove_survey(stores, survey)
    return wanted


def test_one_sweep_only_notes_and_the_next_one_waits_for_a_day(stores: Stores) -> None:
    wanted = _gone(stores, "a_day", 501)
    assert sweep(stores).noted >= len(wanted)
    assert sweep(stores).deleted == 0
    assert all(_are_there(stores, wanted))
    assert timedelta(hours=24) <= GRACE


def test_a_second_sweep_after_the_grace_deletes_tiles_and_their_lossless_copies(stores: Stores) -> None:
    wanted = _gone(stores, "two_passes", 502)
    sweep(stores, grace=NOW)
    assert all(_are_there(stores, wanted))
    assert sweep(stores, grace=NOW).deleted >= len(wanted)
    assert not any(_are_there(stores, wanted))
    assert not any(stores.objects.exists(keys.lossless(digest)) for digest in wanted)
    with stores.database.begin() as connection:
        table = tile_schema.tile_objects
        assert connection.execute(select(table).where(table.c.digest.in_(wanted))).all() == []


def test_tiles_that_a_later_survey_needs_again_between_the_passes_stay(stores: Stores) -> None:
    wanted = _gone(stores, "needed_again", 503)
    sweep(stores, grace=NOW)
    survey = published(stores, city("needed_anew", seed=503))
    assert set(digests(stores, survey).values()) == wanted
    sweep(stores, grace=NOW)
    assert all(_are_there(stores, wanted))


def test_a_deletion_that_died_after_its_note_is_found_out_by_who_needs_the_tile(stores: Stores) -> None:
    """The object is gone and its row still stands: that must not be believed."""
    wanted = _gone(stores, "died_between", 504)
    sweep(stores, grace=NOW)
    first = min(wanted)
    with stores.database.begin() as connection:
        assert tile_objects.lock_unneeded(connection, first)
        tile_objects.note_missing(connection, first)
    stores.objects.delete(keys.tile(first))
    published(stores, city("died_anew", seed=504))
    assert all(_are_there(stores, wanted))


def test_sweeps_beside_a_survey_take_none_of_its_tiles(stores: Stores, settings: Settings) -> None:
    """The worst case: a grace of nothing, sweep after sweep, while equal tiles are cut, deleted and cut again."""
    over = threading.Event()
    failures: list[Exception] = []

    def keep_sweeping() -> None:
        own = open_stores(settings)
        try:
            while not over.is_set():
                sweep(own, grace=NOW)
        except Exception as error:  # noqa: BLE001 - told by the test itself
            failures.append(error)
        finally:
            own.database.close()

    sweeper = threading.Thread(target=keep_sweeping)
    sweeper.start()
    try:
        for turn in range(4):
            survey, _ = placed(stores, city(f"beside_{turn}", seed=505))
            cut_blocks(stores, survey, survey.blocks())
            make_overviews(stores, survey)
            assert all(_are_there(stores, set(digests(stores, survey).values())))
            remove_survey(stores, survey)
    finally:
        over.set()
        sweeper.join()
    assert failures == []


def test_a_sweep_and_a_survey_never_wait_for_each_other(stores: Stores) -> None:
    """The survey stands between two of its objects, which lie in the table the other way round."""
    first, second = "0" * 40, "1" * 40
    for digest in (second, first):
        with stores.database.begin() as connection:
            tile_objects.refer(connection, [digest])
    with ThreadPoolExecutor(1) as pool:
        with stores.database.begin() as connection:
            tile_objects.refer(connection, [first])
            swept = pool.submit(sweep, stores)
            assert within(20, lambda: _somebody_waits(stores))
            tile_objects.refer(connection, [second])
        assert swept.result().noted >= 2


def _somebody_waits(stores: Stores) -> bool:
    with stores.database.begin() as connection:
        waiting = "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted"
        return bool(connection.execute(text(f"{waiting} AND datname = current_database())")).scalar_one())


def test_objects_of_a_survey_whose_deletion_was_broken_off_go(stores: Stores) -> None:
    survey = published(stores, city("broken_off", seed=506))
    key = keys.thumbnail(survey.id, survey.published().revision)
    remove_survey(stores, survey)
    stores.objects.put(key, b"left over")
    assert sweep(stores).surveys == (survey.id,)
    assert not stores.objects.exists(key)


@pytest.mark.parametrize(("hours", "left"), [(0, True), (2, False)])
def test_files_that_a_killed_process_left_half_written_go_after_an_hour(
    stores: Stores, home: Path, hours: int, left: bool
) -> None:
    half = home / "objects" / "tiles" / f"half{hours}.webp#1"
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_bytes(b"RIFF")
    written = time.time() - hours * 3600
    os.utime(half, (written, written))
    sweep(stores)
    assert half.exists() == left


def test_a_dry_run_counts_and_deletes_nothing(stores: Stores, shown: Survey) -> None:
    wanted = _gone(stores, "dry", 507)
    assert sweep(stores, grace=NOW, dry_run=True).noted >= len(wanted)
    sweep(stores, grace=NOW)
    assert sweep(stores, grace=NOW, dry_run=True).deleted >= len(wanted)
    assert all(_are_there(stores, wanted | set(digests(stores, shown).values())))


def test_a_killed_games_folder_goes_after_a_day_in_which_nothing_was_written_to_it(stores: Stores) -> None:
    killed, driven = stores.scratch / "openttd-killed", stores.scratch / "openttd-driven"
    for folder in (killed, driven):
        (folder / "save").mkdir(parents=True)
        (folder / "game.log").write_text("-")
        for path in (folder / "save", folder):
            os.utime(path, times=(0, 0))
    os.utime(killed / "game.log", times=(0, 0))
    assert sweep(stores).scratch == 1
    assert (killed.exists(), driven.exists()) == (False, True)
    shutil.rmtree(driven)


def test_last_signs_of_life_are_forgotten_after_a_month(stores: Stores) -> None:
    with stores.database.begin() as connection:
        for name in ("old", "new"):
            heartbeats.beat(connection, name)
        connection.execute(text("UPDATE run_heartbeats SET seen_at = now() - interval '31 days' WHERE run_id = 'old'"))
    sweep(stores)
    with stores.database.begin() as connection:
        assert [heartbeats.seen_at(connection, name) is None for name in ("old", "new")] == [True, False]


def test_objects_of_surveys_that_this_database_never_had_stay(stores: Stores) -> None:
    mine = planned(stores, city("counted"))
    for name in ("elsewhere-home-0001", f"{mine.id[:-4]}0099", "notes"):
        stores.objects.put(f"surveys/{name}/screenshots/r00_c00.webp", b"-")
    assert sweep(stores, grace=NOW, unfinished=NOW).surveys == ()
    assert {"elsewhere-home-0001", f"{mine.id[:-4]}0099", "notes"} <= set(stores.objects.list_folders("surveys"))
    for name in ("elsewhere-home-0001", f"{mine.id[:-4]}0099", "notes"):
        stores.objects.delete_prefix(f"surveys/{name}/")
