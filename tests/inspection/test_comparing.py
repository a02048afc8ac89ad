"""Pictures that are uploaded again are compared without a lock, and only so many bytes a tick."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from imageflow_clients.database.inspection import batches, manifests, masters
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.inspection import Batch
from imageflow_inspection.intake import Bounds, IntakeCursor, Tick, notice_batches
from imageflow_inspection.manifests import close_batch
from imageflow_inspection.take_in import take_in
from tests.inspection.lids import published, upload

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)


class Watched:
    """The objects of a store, whose reader is told of."""

    def __init__(self, objects: Any, watch: Callable[[str], None]) -> None:
        self._objects = objects
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def get(self, key: str, **told: Any) -> bytes:
        self._watch(key)
        data: bytes = self._objects.get(key, **told)
        return data


def uploaded_again(stores: Stores, *names: str) -> tuple[Batch, ...]:
    """Batches that were taken in, and whose pictures were uploaded once more."""
    published(stores)
    for name in names:
        upload(stores, "lid", name, [b"one"])
    found = notice_batches(stores, IntakeCursor(), now=LATER).closed
    for batch in found:
        take_in(stores, batch.id)
        upload(stores, "lid", batch.name, [b"one"])
    return now_known(stores, found)


def now_known(stores: Stores, found: tuple[Batch, ...]) -> tuple[Batch, ...]:
    with stores.database.begin() as connection:
        return tuple(batches.get(connection, batch.id) for batch in found)


def tick(stores: Stores, cursor: IntakeCursor | None = None, *, now: datetime = LATER, compared_bytes: int = 4) -> Tick:
    return notice_batches(stores, cursor or IntakeCursor(), now=now, bounds=Bounds(compared_bytes=compared_bytes))


def test_a_sweep_compares_so_many_bytes_a_tick_and_goes_on_with_the_next(stores: Stores) -> None:
    before = uploaded_again(stores, "b1", "b2")
    first = tick(stores)
    known = now_known(stores, before)
    assert first.closed == ()
    assert [a.listing == b.listing for a, b in zip(known, before, strict=True)] == [False, True]
    second = tick(stores, first.cursor)
    assert second.closed == ()
    assert [a.listing == b.listing for a, b in zip(now_known(stores, before), before, strict=True)] == [False, False]
    assert second.cursor.sweep_after == ""


def test_a_manifest_whose_pictures_are_not_compared_yet_is_read_again(stores: Stores) -> None:
    before = uploaded_again(stores, "b1", "b2")
    noted = [close_batch(stores, "lid", name, now=NOW + timedelta(seconds=at)) for at, name in enumerate(("b1", "b2"))]
    late = NOW + timedelta(seconds=2)
    first = tick(stores, now=late)
    with stores.database.begin() as connection:
        assert manifests.noted_manifests(connection, noted) == {noted[0]}
    assert tick(stores, first.cursor, now=late).closed == ()
    with stores.database.begin() as connection:
        assert manifests.noted_manifests(connection, noted) == set(noted)
    assert [a.listing == b.listing for a, b in zip(now_known(stores, before), before, strict=True)] == [False, False]


def test_a_batch_larger_than_what_is_compared_counts_as_another(stores: Stores) -> None:
    uploaded_again(stores, "b1")
    assert [batch.version for batch in tick(stores, compared_bytes=2).closed] == [2]


def test_others_may_use_a_product_while_pictures_are_compared_and_what_changes_meanwhile_is_looked_at_again(
    stores: Stores,
) -> None:
    uploaded_again(stores, "b1")
    read: list[str] = []

    def change(key: str) -> None:
        with stores.database.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
            masters.get_product(connection, "lid", lock=True)
        if not read:
            stores.objects.put(keys.inspection_upload_file("lid", "b1", "p0001.png"), b"two")
        read.append(key)

    watched = replace(stores, objects=Watched(stores.objects, change))
    first = tick(watched)
    assert read == [keys.inspection_upload_file("lid", "b1", "p0000.png")]
    assert first.closed == ()
    (second,) = tick(watched, first.cursor).closed
    assert (second.version, second.pictures) == (2, 2)
