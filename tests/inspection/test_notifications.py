"""A marker that a bucket tells of closes its batch, once, and is no part of it."""

from datetime import UTC, datetime, timedelta

import pytest

from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_inspection.intake import IntakeCursor, notice_batches
from imageflow_inspection.notifications import ClosedBatch, CreatedObject, close_marked
from imageflow_inspection.take_in import take_in
from tests.inspection.lids import published, upload

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)
B1 = ClosedBatch(product="lid", name="b1")


def written(stores: Stores, key: str) -> CreatedObject:
    """An object as the bucket names it: by its whole key, with the store's prefix."""
    place = stores.objects.where(key)
    if not place.startswith("s3://"):
        return CreatedObject(key=key, bucket=None)
    bucket, _, whole = place.removeprefix("s3://").partition("/")
    return CreatedObject(key=whole, bucket=bucket)


def mark(stores: Stores, batch: str) -> CreatedObject:
    """Write the marker, last, and return what the bucket then tells of."""
    key = f"{keys.inspection_upload('lid', batch)}/{keys.DONE_MARKER}"
    stores.objects.put(key, b"")
    return written(stores, key)


def test_a_batch_whose_marker_was_written_is_noticed_once_however_often_it_is_told(any_stores: Stores) -> None:
    published(any_stores)
    upload(any_stores, "lid", "b1", [b"one", b"two"])
    told = mark(any_stores, "b1")
    assert close_marked(any_stores, [told, told], now=NOW) == (B1,)
    assert close_marked(any_stores, [told], now=NOW) == (B1,)
    first = notice_batches(any_stores, IntakeCursor(), now=NOW)
    assert [(batch.name, batch.version, batch.pictures, batch.bytes) for batch in first.closed] == [("b1", 1, 2, 6)]
    assert close_marked(any_stores, [told], now=NOW) == (B1,)
    again = notice_batches(any_stores, first.cursor, now=NOW)
    assert (again.closed, again.refused) == ((), ())
    assert again.waiting == first.closed


def test_a_marker_is_no_picture_and_makes_no_other_version(any_stores: Stores) -> None:
    published(any_stores)
    upload(any_stores, "lid", "b1", [b"one", b"two"])
    (batch,) = notice_batches(any_stores, IntakeCursor(), now=LATER).closed
    take_in(any_stores, batch.id)
    told = mark(any_stores, "b1")
    assert notice_batches(any_stores, IntakeCursor(), now=LATER).closed == ()  # by the sweep
    assert close_marked(any_stores, [told], now=NOW) == (B1,)
    found = notice_batches(any_stores, IntakeCursor(), now=NOW)
    assert (found.closed, found.refused) == ((), ())


def test_a_marker_without_a_product_or_pictures_is_refused_in_words_by_the_tick(stores: Stores) -> None:
    published(stores)
    elsewhere = CreatedObject(key="uploads/inspection/nobody/b1/_DONE", bucket=None)
    close_marked(stores, [mark(stores, "empty"), elsewhere], now=NOW)
    upload(stores, "nobody", "b1", [b"one"])
    reasons = sorted(refusal.reason for refusal in notice_batches(stores, IntakeCursor(), now=NOW).refused)
    assert [reason.split(":")[0] for reason in reasons] == [
        "There are no pictures in 'uploads/inspection/lid/empty'",
        "There is no product 'nobody'",
    ]


@pytest.mark.parametrize(
    "key",
    [
        "uploads/inspection/lid/b1/p0000.png",
        "uploads/inspection/lid/b1/_done",
        "uploads/inspection/lid/b1/_DONE/",
        "uploads/inspection/lid/b1/_DONE\n",
        "uploads/inspection/lid/b1/sub/_DONE",
        "uploads/inspection/lid/_DONE",
        "uploads/inspection//b1/_DONE",
        "uploads/inspection/../b1/_DONE",
        "uploads/inspection/lid/../_DONE",
        "uploads/inspection/lid/b1\x00/_DONE",
        "uploads/inspection/Lid/b1/_DONE",
        "/uploads/inspection/lid/b1/_DONE",
        "other/uploads/inspection/lid/b1/_DONE",
        "uploads/maps/lid/b1/_DONE",
        "uploads/maps/game/save/b1/_DONE",
        "_DONE",
        "",
    ],
)
def test_what_is_no_marker_of_a_batch_closes_none(stores: Stores, key: str) -> None:
    assert close_marked(stores, [CreatedObject(key=key, bucket=None)], now=NOW) == ()
    assert list(stores.objects.list(keys.INBOX)) == []
