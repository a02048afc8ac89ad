"""Find what was judged, across batches, and the pictures of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from imageflow_clients.database import Connection
from imageflow_clients.database.inspection import batches, verifications
from imageflow_clients.database.inspection import inspections as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NotFound
from imageflow_domain.inspection import (
    MOST_PICTURES,
    Batch,
    Inspection,
    PictureResult,
    Verdict,
    Verification,
)
from imageflow_domain.page import Page, cut

_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class FoundResult:
    """A picture's result, and the batch that it belongs to."""

    batch: Batch
    result: PictureResult

    @property
    def key(self) -> tuple[int, int]:
        """Where a search goes on: inspection and place."""
        return self.result.inspection_id, self.result.picture.place


@dataclass(frozen=True, kw_only=True)
class ResultInFull:
    """A picture's result, and what people said of it."""

    found: FoundResult
    verifications: tuple[Verification, ...]
    """Oldest first."""


@dataclass(frozen=True, kw_only=True)
class StoredPicture:
    """A picture that is read when it is wanted."""

    version: str
    """Another one for other bytes."""
    read: Callable[[], bytes]
    """Raises `ObjectMissing` where the picture is gone."""


def get_inspection(stores: Stores, inspection: int) -> Inspection:
    """Return one judgement of a batch; raise `NotFound`."""
    with stores.database.begin() as connection:
        return rows.get(connection, inspection)


def find_results(
    stores: Stores,
    *,
    inspection: int | None = None,
    batch: int | None = None,
    product: str | None = None,
    begins: date | None = None,
    ends: date | None = None,
    verdict: Verdict | None = None,
    former: bool = False,
    after: tuple[int, int] | None = None,
    limit: int = 100,
) -> Page[FoundResult]:
    """Return results, of the newest inspection first, pictures in order.

    Args:
        stores: Where they are.
        inspection: Only of this one; without, only inspections that count are looked at.
        batch: Only of this one; without, only versions of batches that no later, inspected one replaced.
        product: Only of this one.
        begins: Only those that were judged on this day (UTC) or later.
        ends: Only those that were judged before this day.
        verdict: Only those with this verdict.
        former: Also those of finished inspections that count no longer, and of versions that were replaced.
        after: Only those behind this `FoundResult.key`.
        limit: At most so many.
    """
    with stores.database.begin() as connection:
        found = rows.find_results(
            connection,
            inspection=inspection,
            batch=batch,
            product=product,
            begins=begins,
            ends=ends,
            verdict=verdict,
            former=former,
            after=after,
            limit=limit + 1,
        )
        page = cut(found, limit, lambda result: f"{result.inspection_id}-{result.picture.place}")
        return Page(items=_with_batches(connection, page.items), next=page.next)


def not_passed(stores: Stores, inspection: int) -> tuple[PictureResult, ...]:
    """Return up to 20 pictures that failed, then up to 20 that could not be judged."""
    with stores.database.begin() as connection:
        return tuple(
            result
            for verdict in (Verdict.FAIL, Verdict.UNDECIDED)
            for result in rows.results(connection, inspection, verdict=verdict, limit=_LISTED)
        )


def get_result(stores: Stores, inspection: int, place: int) -> FoundResult:
    """Return the result of one picture; raise `NotFound`."""
    with stores.database.begin() as connection:
        batch = batches.get(connection, rows.get(connection, inspection).batch_id)
        # A number of any size may be asked for; columns hold those of pictures.
        found = rows.results(connection, inspection, after=min(max(place, 0), MOST_PICTURES) - 1, limit=1)
    if not found or found[0].picture.place != place:
        raise NotFound(f"Inspection {inspection} has no result for picture {place}: it has {batch.pictures}.")
    return FoundResult(batch=batch, result=found[0])


def result_in_full(stores: Stores, inspection: int, place: int) -> ResultInFull:
    """Return the result of one picture with what people said of it; raise `NotFound`."""
    found = get_result(stores, inspection, place)
    with stores.database.begin() as connection:
        return ResultInFull(found=found, verifications=verifications.of_picture(connection, inspection, place))


def uploaded_picture(stores: Stores, inspection: int, place: int) -> StoredPicture:
    """Return the picture of a result as it was uploaded, to the byte; its version is its SHA-256. Raise `NotFound`."""
    picture = get_result(stores, inspection, place).result.picture
    return StoredPicture(
        version=picture.digest, read=lambda: stores.objects.get(picture.key, next_step="upload the batch again")
    )


def drawn_picture(stores: Stores, inspection: int, place: int) -> StoredPicture:
    """Return the picture of a result with what was found drawn on it, JPEG; raise `NotFound` where nothing is drawn."""
    result = get_result(stores, inspection, place).result
    key = result.drawn_key
    if key is None:
        raise NotFound(f"Nothing is drawn on picture {place} of inspection {inspection}: its verdict is the reason.")
    # A picture that could not be judged may be judged, and drawn on, anew.
    judged_us = int(result.judged_at.timestamp() * 1_000_000)
    return StoredPicture(
        version=f"{inspection}-{place}-{judged_us}",
        read=lambda: stores.objects.get(key, next_step="inspect the batch again"),
    )


def _with_batches(connection: Connection, found: Sequence[PictureResult]) -> tuple[FoundResult, ...]:
    inspected = rows.get_many(connection, sorted({result.inspection_id for result in found}))
    of = batches.get_many(connection, sorted({inspection.batch_id for inspection in inspected.values()}))
    return tuple(FoundResult(batch=of[inspected[result.inspection_id].batch_id], result=result) for result in found)
