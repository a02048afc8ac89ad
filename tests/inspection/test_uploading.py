"""Uploads of the same batch that cross: none takes a picture from under another that was closed, or is closed torn."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from imageflow_clients.stored_object import StoredObject
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import Conflict
from imageflow_inspection.comparing import Postponed
from imageflow_inspection.take_in import take_in
from imageflow_inspection.uploading import BatchUpload
from tests.inspection.lids import published
from tests.inspection.test_comparing import Watched, uploaded_again

NOW = datetime.now(UTC)
PICTURES = {"a.png": b"one", "b.png": b"two", "c.png": b"three"}


def send(upload: BatchUpload, *names: str) -> None:
    for name in names:
        upload.add(name, PICTURES[name])


def there(stores: Stores) -> list[str]:
    folder = f"{keys.inspection_upload('lid', 'b1')}/"
    return sorted(stored.key.removeprefix(folder) for stored in stores.objects.list(folder))


def test_an_upload_that_breaks_off_takes_nothing_from_its_retry_that_was_closed(any_stores: Stores) -> None:
    published(any_stores)
    broken, retry = BatchUpload(any_stores, "lid", "b1"), BatchUpload(any_stores, "lid", "b1")
    send(broken, "a.png", "b.png")
    send(retry, "a.png", "b.png", "c.png")
    batch = retry.close(NOW)
    broken.take_back()
    assert there(any_stores) == sorted(PICTURES)
    assert [picture.name for picture in take_in(any_stores, batch.id)] == sorted(PICTURES)


def test_a_retry_whose_pictures_were_taken_back_is_refused_and_sends_all_again(any_stores: Stores) -> None:
    published(any_stores)
    broken, retry = BatchUpload(any_stores, "lid", "b1"), BatchUpload(any_stores, "lid", "b1")
    send(broken, "a.png")
    send(retry, "a.png", "b.png", "c.png")
    broken.take_back()
    with retry, pytest.raises(Conflict, match=r"'a.png' is gone .* Send all of them again"):
        retry.close(NOW)
    assert there(any_stores) == []
    with BatchUpload(any_stores, "lid", "b1") as again:
        send(again, *PICTURES)
        assert again.close(NOW).pictures == 3


def test_a_next_version_that_breaks_off_takes_back_its_own_pictures_alone(stores: Stores) -> None:
    published(stores)
    with BatchUpload(stores, "lid", "b1") as first:
        send(first, "a.png")
        first.close(NOW)
    with BatchUpload(stores, "lid", "b1") as more:
        send(more, "a.png", "b.png")
    assert there(stores) == ["a.png"]


class Slow:
    """The objects of a store, with a delay between finding that one is not there and writing it."""

    def __init__(self, objects: Any) -> None:
        self._objects = objects
        self._both = Barrier(2)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def head(self, key: str) -> StoredObject | None:
        there: StoredObject | None = self._objects.head(key)
        if there is None:
            with suppress(BrokenBarrierError):  # a single thread goes on after a while
                self._both.wait(0.5)
        return there


def test_of_two_that_send_another_picture_of_one_name_at_once_one_is_refused(stores: Stores) -> None:
    published(stores)
    slow = replace(stores, objects=Slow(stores.objects))
    uploads = {data: BatchUpload(slow, "lid", "b1") for data in (b"mine", b"yours")}

    def add(data: bytes) -> Exception | None:
        try:
            uploads[data].add("a.png", data)
        except Conflict as error:
            return error
        return None

    with ThreadPoolExecutor(2) as threads:
        said = dict(zip(uploads, threads.map(add, uploads), strict=True))
    (kept,) = (data for data, error in said.items() if error is None)
    (refused,) = (error for error in said.values() if error is not None)
    assert "It has another 'a.png': choose another name for yours." in str(refused)
    for upload in uploads.values():
        if upload.names:
            upload.close(NOW)
        upload.take_back()
    assert stores.objects.get(keys.inspection_upload_file("lid", "b1", "a.png"), next_step="") == kept


def test_who_closes_what_is_written_meanwhile_is_told_to_try_again(stores: Stores) -> None:
    (before,) = uploaded_again(stores, "b1")
    written = replace(stores, objects=Watched(stores.objects, lambda key: stores.objects.put(key, b"one")))
    with BatchUpload(written, "lid", "b1") as upload:
        upload.add("p0000.png", b"one")
        with pytest.raises(Postponed, match="'uploads/inspection/lid/b1' changed while it was read: try again"):
            upload.close(NOW)
    assert there(stores) == ["p0000.png"]
    with BatchUpload(stores, "lid", "b1") as upload:
        upload.add("p0000.png", b"one")
        assert upload.close(NOW).id == before.id
