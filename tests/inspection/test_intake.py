"""Uploads become batches: each once, whatever order, restart or re-upload."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import obstore
import pytest
from sqlalchemy import func, update

from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.database.inspection import manifests
from imageflow_clients.database.inspection.schema import batches
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import Conflict
from imageflow_domain.inspection import Batch, BatchState
from imageflow_inspection.intake import Bounds, IntakeCursor, Tick, notice_batches, run_gave_up, try_again
from imageflow_inspection.manifests import close_batch
from imageflow_inspection.take_in import take_in
from tests.inspection.lids import lid, published, upload

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)
"""When everything that the tests upload has been quiet for long."""


def tick(stores: Stores, cursor: IntakeCursor | None = None, *, now: datetime = NOW, **bounds: int) -> Tick:
    return notice_batches(stores, cursor or IntakeCursor(), now=now, bounds=Bounds(**bounds))


def names(found: tuple[Batch, ...]) -> list[str]:
    return [f"{batch.name}.{batch.version}" for batch in found]


def end_pauses(stores: Stores) -> None:
    """Let the pauses between a batch's attempts be over."""
    with stores.database.begin() as connection:
        connection.execute(update(batches).values(retry_at=func.now()))


def test_a_batch_that_a_manifest_closes_is_noticed_once_and_waits_until_it_is_inspected(any_stores: Stores) -> None:
    published(any_stores)
    upload(any_stores, "lid", "b1", [b"one", b"two"])
    assert tick(any_stores).closed == ()
    close_batch(any_stores, "lid", "b1", now=NOW)
    first = tick(any_stores)
    assert names(first.closed) == ["b1.1"]
    batch = first.closed[0]
    assert (batch.pictures, batch.bytes, batch.state) == (2, 6, BatchState.CLOSED)
    again = tick(any_stores, first.cursor)
    assert again.closed == ()
    assert again.waiting == first.waiting == (batch,)
    assert batch.run_key == "lid-b1/1/0"


def test_a_manifest_that_sorts_before_the_cursor_is_found(any_stores: Stores) -> None:
    published(any_stores)
    for name in ("b1", "b2", "b3"):
        upload(any_stores, "lid", name, [name.encode()])
    close_batch(any_stores, "lid", "b1", now=NOW)
    first = tick(any_stores)
    close_batch(any_stores, "lid", "b2", now=NOW - timedelta(minutes=9))
    second = tick(any_stores, first.cursor)
    assert names(second.closed) == ["b2.1"]
    assert second.cursor == first.cursor
    close_batch(any_stores, "lid", "b3", now=NOW - timedelta(minutes=11))
    assert tick(any_stores, first.cursor).closed == ()
    assert names(tick(any_stores, first.cursor, now=LATER).closed) == ["b3.1"]  # by the sweep


def test_a_manifest_from_the_future_hides_none_of_the_present(stores: Stores) -> None:
    published(stores)
    upload(stores, "lid", "b1", [b"1"])
    upload(stores, "lid", "b2", [b"2"])
    close_batch(stores, "lid", "b1", now=NOW + timedelta(days=400))
    first = tick(stores)
    close_batch(stores, "lid", "b2", now=NOW + timedelta(seconds=1))
    assert names(tick(stores, first.cursor, now=NOW + timedelta(seconds=2)).closed) == ["b2.1"]


def test_a_folder_without_a_manifest_is_closed_when_it_is_quiet(any_stores: Stores) -> None:
    published(any_stores)
    upload(any_stores, "lid", "b1", [b"one"])
    assert tick(any_stores).closed == ()
    found = tick(any_stores, now=LATER)
    assert names(found.closed) == ["b1.1"]
    assert tick(any_stores, found.cursor, now=LATER).closed == ()


def test_other_content_is_another_version_and_equal_content_is_not(any_stores: Stores) -> None:
    published(any_stores)
    upload(any_stores, "lid", "b1", [b"one", b"two"])
    batch = tick(any_stores, now=LATER).closed[0]
    take_in(any_stores, batch.id)
    upload(any_stores, "lid", "b1", [b"one", b"two"])
    close_batch(any_stores, "lid", "b1", now=NOW)
    assert tick(any_stores, now=LATER).closed == ()
    upload(any_stores, "lid", "b1", [b"one", b"TWO"])
    second = tick(any_stores, now=LATER).closed
    assert names(second) == ["b1.2"]
    take_in(any_stores, second[0].id)
    with any_stores.database.begin() as connection:
        first, other = (rows.pictures(connection, each.id) for each in (batch, second[0]))
        assert rows.get(connection, batch.id).source_digest != rows.get(connection, second[0].id).source_digest
    assert [any_stores.objects.get(picture.key, next_step="") for picture in first] == [b"one", b"two"]
    assert [any_stores.objects.get(picture.key, next_step="") for picture in other] == [b"one", b"TWO"]
    upload(any_stores, "lid", "b1", [b"one", b"two"])
    assert names(tick(any_stores, now=LATER).closed) == ["b1.3"]


def test_a_batch_that_nobody_has_looked_at_is_what_lies_there_now(stores: Stores) -> None:
    published(stores)
    upload(stores, "lid", "b1", [b"one"])
    batch = tick(stores, now=LATER).closed[0]
    upload(stores, "lid", "b1", [b"uno", b"dos"])
    assert tick(stores, now=LATER).closed == ()
    assert len(take_in(stores, batch.id)) == 2
    assert tick(stores, now=LATER).closed == ()


def test_taking_in_twice_gives_the_same_pictures(stores: Stores) -> None:
    published(stores)
    upload(stores, "lid", "b1", [b"one", b"two", b"one"])
    batch = tick(stores, now=LATER).closed[0]
    taken = take_in(stores, batch.id)
    assert [picture.place for picture in taken] == [0, 1, 2]
    assert taken[0].key == taken[2].key != taken[1].key
    upload(stores, "lid", "b1", [b"something else"])
    assert take_in(stores, batch.id) == taken


def test_ticks_that_die_anywhere_lose_nothing_and_double_nothing(
    any_stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(any_stores)
    for number in range(6):
        upload(any_stores, "lid", f"b{number}", [bytes([number])])
        if number % 2:
            close_batch(any_stores, "lid", f"b{number}", now=NOW)
    dice, cursor, deaths = Random(5), IntakeCursor(), 0  # noqa: S311 - which tick dies is no secret
    begin = any_stores.database.begin

    def dying() -> object:
        nonlocal deaths
        if dice.random() < 0.3:
            deaths += 1
            raise KeyboardInterrupt
        return begin()

    monkeypatch.setattr(any_stores.database, "begin", dying)
    finished = 0
    while finished < 5:
        try:
            cursor = tick(any_stores, IntakeCursor.read(cursor.write()), now=LATER, sweep_keys=3, manifests=1).cursor
            finished += 1
        except KeyboardInterrupt:
            continue
    monkeypatch.undo()
    assert deaths > 3
    with any_stores.database.begin() as connection:
        assert sorted(names(rows.page(connection))) == [f"b{number}.1" for number in range(6)]


@pytest.mark.parametrize(("keys_a_tick", "batches_a_tick"), [(1, 9), (2, 9), (3, 1), (7, 2), (100, 9), (100, 1)])
def test_the_sweep_sees_every_folder_whatever_fits_in_a_tick(
    any_stores: Stores, keys_a_tick: int, batches_a_tick: int
) -> None:
    published(any_stores)
    sizes = {"b1": 1, "b10": 3, "b2": 7, "b3": 2, "b_4": 1}
    for name, count in sizes.items():
        upload(any_stores, "lid", name, [bytes([place]) for place in range(count)])
    any_stores.objects.put("uploads/inspection/stray.png", b"")
    any_stores.objects.put("uploads/inspection/lid/stray.png", b"")
    any_stores.objects.put("uploads/inspection/Not a name/b1/p.png", b"")
    cursor, found = IntakeCursor(), []
    for _ in range(40):
        ticked = tick(any_stores, cursor, now=LATER, sweep_keys=keys_a_tick, sweep_batches=batches_a_tick)
        cursor = ticked.cursor
        assert len(ticked.closed) <= batches_a_tick
        found += ticked.closed
    assert {batch.name: batch.pictures for batch in found} == sizes
    assert len(found) == len(sizes)


def test_what_cannot_be_a_batch_is_noted_with_the_reason(stores: Stores) -> None:
    published(stores)
    close_batch(stores, "lid", "empty", now=NOW)
    upload(stores, "unknown", "b1", [b"1"])
    close_batch(stores, "unknown", "b1", now=NOW)
    stores.objects.put(f"{keys.INBOX}/{int(NOW.timestamp() * 1000)}-{'0' * 32}.json", b'{"product": "../x"}')
    stores.objects.put(f"{keys.INBOX}/readme.txt", b"hello")
    first = tick(stores)
    assert first.closed == ()
    with stores.database.begin() as connection:
        noted = manifests.refusals(connection)
    reasons = " ".join(refusal.reason for refusal in noted)
    assert first.refused == tuple(sorted(noted, key=lambda refusal: refusal.noticed_at))
    assert tick(stores, first.cursor).refused == (), "each is told once"
    for said in ("no pictures in", "no product 'unknown'", "It is no manifest (product", "readme.txt' is no manifest"):
        assert said in reasons
    published(stores, "unknown")
    assert names(tick(stores, now=LATER).closed) == ["b1.1"]


def test_a_run_that_gives_up_is_asked_for_again_three_times_in_all(stores: Stores) -> None:
    published(stores)
    upload(stores, "lid", "b1", [b"1"])
    batch = tick(stores, now=LATER).closed[0]
    asked = []
    for _ in range(3):
        asked.append(batch.run_key)
        assert run_gave_up(stores, batch, "no memory").attempts == run_gave_up(stores, batch, "no memory").attempts
        assert tick(stores, now=LATER).waiting == (), "it pauses"
        end_pauses(stores)
        waiting = tick(stores, now=LATER).waiting
        batch = waiting[0] if waiting else batch
    assert asked == ["lid-b1/1/0", "lid-b1/1/1", "lid-b1/1/2"]
    assert tick(stores, now=LATER).waiting == ()
    again = try_again(stores, batch.id)
    assert tick(stores, now=LATER).waiting == (again,)
    assert again.run_key == "lid-b1/1/3"
    with pytest.raises(Conflict, match="did not fail"):
        try_again(stores, batch.id)
    for _ in range(3):
        assert again.state is BatchState.CLOSED
        again = run_gave_up(stores, again, "no memory")
    assert again.state is BatchState.FAILED


def test_a_batch_whose_run_was_cancelled_has_three_attempts_when_it_is_tried_again(stores: Stores) -> None:
    published(stores)
    upload(stores, "lid", "b1", [b"1"])
    batch = run_gave_up(stores, tick(stores, now=LATER).closed[0], "cancelled", for_good=True)
    assert (batch.state, batch.attempts) == (BatchState.FAILED, 1)
    batch = try_again(stores, batch.id)
    asked = []
    while batch.state is BatchState.CLOSED:
        asked.append(batch.run_key)
        batch = run_gave_up(stores, batch, "no memory")
    assert asked == ["lid-b1/1/3", "lid-b1/1/4", "lid-b1/1/5"]


def test_pauses_between_attempts_grow_from_half_a_minute(stores: Stores) -> None:
    published(stores)
    upload(stores, "lid", "b1", [b"1"])
    batch = tick(stores, now=LATER).closed[0]
    for pause in (30, 60):
        before = datetime.now(UTC)
        batch = run_gave_up(stores, batch, "the server is down")
        assert batch.retry_at is not None
        assert pause - 5 < (batch.retry_at - before).total_seconds() < pause + 60


def test_a_name_that_is_no_utf_8_stops_nothing_and_is_told_once(stores: Stores, tmp_path: Path) -> None:
    published(stores)
    upload(stores, "lid", "b1", [b"one"])
    objects = tmp_path / "objects"
    for folder in (keys.inspection_upload("lid", "b1"), "uploads/inspection/lid", keys.INBOX):
        (objects / folder).mkdir(parents=True, exist_ok=True)
        (objects / folder / os.fsdecode(b"p\xff.png")).write_bytes(b"two")
    (objects / "uploads/inspection" / os.fsdecode(b"l\xe9d")).mkdir()
    close_batch(stores, "lid", "b1", now=NOW)
    first = tick(stores, now=LATER)
    assert names(first.closed) == ["b1.1"]
    assert {refusal.key for refusal in first.refused} == {
        f"{keys.INBOX}/p\\xff.png",
        "uploads/inspection/lid/b1/p\\xff.png",
        "uploads/inspection/lid/p\\xff.png",
        "uploads/inspection/l\\xe9d/",
    }
    assert all("no UTF-8" in refusal.reason for refusal in first.refused)
    again = tick(stores, IntakeCursor.read(first.cursor.write()), now=LATER)
    assert (again.closed, again.refused) == ((), ())


def _put_raw(stores: Stores, key: str, data: bytes) -> None:
    """Put an object as others do, whatever its name."""
    uploads = stores.objects.where("uploads")
    if uploads.startswith("s3://"):
        obstore.put(stores.objects._store, key, data)
    else:
        path = Path(uploads).parent / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.mark.parametrize("sweep_keys", [2, 100])
def test_a_name_that_no_key_has_stops_nothing(any_stores: Stores, sweep_keys: int) -> None:
    published(any_stores)
    odd = ["A part #1/b1/a.png", "lid/batch#2/a.png", "lid/batch#2/b.png", "lid/batch#2/c.png", "a\u2028b/b1/a.png"]
    for name in odd:
        _put_raw(any_stores, f"uploads/inspection/{name}", b"odd")
    upload(any_stores, "lid", "b1", [b"one"])
    upload(any_stores, "lid", "zz", [b"two"])
    close_batch(any_stores, "lid", "b1", now=NOW)
    closed, cursor = [], IntakeCursor()
    for _ in range(12):
        found = tick(any_stores, cursor, now=LATER, sweep_keys=sweep_keys)
        closed += names(found.closed)
        cursor = found.cursor
    assert sorted(closed) == ["b1.1", "zz.1"]


def test_a_picture_that_no_key_names_refuses_its_batch_by_name(any_stores: Stores) -> None:
    published(any_stores)
    upload(any_stores, "lid", "b1", [b"one"])
    _put_raw(any_stores, f"{keys.inspection_upload('lid', 'b1')}/a\u2028b.png", b"two")
    (refusal,) = tick(any_stores, now=LATER).refused
    assert "b1/a\\u2028b.png" in refusal.reason
    assert "Rename the file" in refusal.reason


def test_screenshots_of_a_mac_are_pictures_like_others(any_stores: Stores) -> None:
    published(any_stores)
    name = "Screenshot 2026-11-21 at 9.41.00\u202fAM.png"
    any_stores.objects.put(f"{keys.inspection_upload('lid', 'b1')}/{name}", lid())
    (batch,) = tick(any_stores, now=LATER).closed
    assert [picture.name for picture in take_in(any_stores, batch.id)] == [name]


def test_a_folder_with_too_many_files_of_any_kind_is_refused(
    any_stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imageflow_inspection.uploaded._MOST_FILES", 3)
    published(any_stores)
    upload(any_stores, "lid", "b1", [b"one", b"two"])
    for name in ("a.json", "b.json"):
        any_stores.objects.put(f"{keys.inspection_upload('lid', 'b1')}/{name}", b"{}")
    for bounds in ({}, {"sweep_keys": 2}):
        found = tick(any_stores, now=LATER, **bounds)
        assert found.closed == ()
    with any_stores.database.begin() as connection:
        (refusal,) = manifests.refusals(connection)
    assert "more than 3 files" in refusal.reason


@pytest.mark.parametrize("uploaded_again", [False, True])
def test_uploads_that_are_deleted_make_no_version(any_stores: Stores, uploaded_again: bool) -> None:
    published(any_stores)
    upload(any_stores, "lid", "b1", [b"one", b"two", b"three"])
    close_batch(any_stores, "lid", "b1", now=NOW)
    (batch,) = tick(any_stores).closed
    take_in(any_stores, batch.id)
    if uploaded_again:  # later than the batch was closed
        upload(any_stores, "lid", "b1", [b"one", b"two", b"three"])
    folder = keys.inspection_upload("lid", "b1")
    any_stores.objects.delete(f"{folder}/p0001.png")
    for _ in range(2):
        found = tick(any_stores, now=LATER)
        assert (found.closed, found.refused) == ((), ())
    any_stores.objects.put(f"{folder}/p0000.png", b"ONE")
    assert names(tick(any_stores, now=LATER).closed) == ["b1.2"]


def test_a_manifest_says_that_fewer_pictures_are_the_batch_now(any_stores: Stores) -> None:
    published(any_stores)
    upload(any_stores, "lid", "b1", [b"one", b"two"])
    take_in(any_stores, tick(any_stores, now=LATER).closed[0].id)
    any_stores.objects.delete(f"{keys.inspection_upload('lid', 'b1')}/p0001.png")
    close_batch(any_stores, "lid", "b1", now=NOW)
    assert names(tick(any_stores, now=NOW).closed) == ["b1.2"]
