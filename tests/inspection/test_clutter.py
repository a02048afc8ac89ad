"""Buckets and folders hold more than pictures, by any names: pictures are inspected, the rest is listed."""

from datetime import UTC, datetime, timedelta
from io import BytesIO

from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.inspection import Batch, Picture
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import IntakeCursor, Tick, notice_batches
from imageflow_inspection.manifests import close_batch
from imageflow_inspection.take_in import take_in
from imageflow_inspection.uploaded import list_folder, upload_of
from imageflow_inspection.uploading import BatchUpload
from tests.domain.names import ANY_NAMES, CLUTTER
from tests.inspection.lids import lid, published

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)
FOLDER = keys.inspection_upload("lid", "b1")


def tick(stores: Stores, *, now: datetime = LATER) -> Tick:
    return notice_batches(stores, IntakeCursor(), now=now)


def put(stores: Stores, *names: str) -> None:
    for name in names:
        stores.objects.put(f"{FOLDER}/{name}", lid())


def names_of(pictures: tuple[Picture, ...]) -> set[str]:
    return {picture.name for picture in pictures}


def test_clutter_in_a_batch_is_not_inspected_and_is_listed_once(any_stores: Stores) -> None:
    published(any_stores)
    clutter = [name for name in CLUTTER if "\r" not in name]  # no store has a key with a line end
    put(any_stores, *clutter, "a.png", "sub/b.png", "c.tif", keys.DONE_MARKER)
    close_batch(any_stores, "lid", "b1", now=NOW)
    found = tick(any_stores, now=NOW)
    (batch,) = found.closed
    assert names_of(take_in(any_stores, batch.id)) == {"a.png", "sub/b.png"}
    listed = {refusal.key.removeprefix(f"{FOLDER}/"): refusal.reason for refusal in found.refused}
    assert listed.keys() == {*clutter, "c.tif"}
    assert listed["._A.JPG"] == "Skipped, as it is no picture: a hidden file."
    assert tick(any_stores).refused == ()


def test_a_folder_that_is_closed_by_its_quiet_lists_its_clutter_as_well(any_stores: Stores) -> None:
    published(any_stores)
    put(any_stores, ".DS_Store", "a.png")
    found = tick(any_stores)
    assert [refusal.key for refusal in found.refused] == [f"{FOLDER}/.DS_Store"]
    assert [batch.pictures for batch in found.closed] == [1]


def test_the_key_of_long_clutter_is_listed_by_its_beginning_and_its_end(stores: Stores) -> None:
    published(stores)
    put(stores, "x" * 220 + ".xmp", "y" * 230 + ".png")
    ((refusal),) = tick(stores).refused
    assert refusal.key.startswith(f"{FOLDER}/xxx")
    assert refusal.key.endswith("xxx.xmp")
    assert len(refusal.key) <= 200


def test_a_picture_of_any_name_is_taken_from_a_bucket_under_that_name(any_stores: Stores) -> None:
    published(any_stores)
    put(any_stores, *ANY_NAMES)
    (batch,) = tick(any_stores).closed
    assert names_of(take_in(any_stores, batch.id)) == set(ANY_NAMES)


def test_the_same_pictures_by_hand_and_by_bucket_are_the_same_batch(any_stores: Stores) -> None:
    published(any_stores)
    with BatchUpload(any_stores, "lid", "b1") as sent:
        for name in ANY_NAMES:
            sent.take(name, BytesIO(lid()))
        first = sent.close(NOW)
    take_in(any_stores, first.id)
    put(any_stores, *ANY_NAMES)
    assert tick(any_stores).closed == ()


def _inspected_by_0_4(stores: Stores) -> Batch:
    """A batch that an older version took in with the notes that a Mac keeps beside each picture."""
    put(stores, "a.png", "._a.png")
    found = list_folder(stores, FOLDER)
    upload = upload_of("lid", "b1", found)
    kept = keys.inspected_picture("0" * 64)
    with stores.database.begin() as connection:
        batch = rows.add_version(connection, upload)
        names = [stored.key.removeprefix(f"{FOLDER}/") for stored in found]
        taken = [
            Picture(place=place, name=name, key=kept, digest="0" * 64, bytes=found[place].size)
            for place, name in enumerate(names)
        ]
        rows.set_taken(connection, batch.id, taken, listing=upload.listing, source_digest="0" * 64)
        return rows.get(connection, batch.id)


def test_a_batch_that_was_taken_in_with_its_clutter_stays_what_it_was(any_stores: Stores) -> None:
    published(any_stores)
    before = _inspected_by_0_4(any_stores)
    for _ in range(2):
        assert tick(any_stores).closed == ()
    with any_stores.database.begin() as connection:
        after = rows.latest(connection, "lid", "b1")
    assert (after.id, after.source_digest, after.pictures) == (before.id, before.source_digest, 2)


def test_a_picture_of_an_odd_name_that_is_marked_has_its_marked_picture(stores: Stores) -> None:
    published(stores)
    stores.objects.put(f"{FOLDER}/50%, é+部品.png", lid(spots=1))
    (batch,) = tick(stores).closed
    take_in(stores, batch.id)
    assert inspect_batch(stores, batch.id).failed == 1
