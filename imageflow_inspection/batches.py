"""Read models of batches: a page, or one in full; and re-inspection on request."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from imageflow_clients.database import Connection
from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.database.inspection import inspections, manifests
from imageflow_clients.stores import Stores
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.inspection import Batch, BatchState, Inspection, RefusedBatch
from imageflow_domain.page import Page, cut
from imageflow_domain.texts import check_text
from imageflow_inspection.intake import try_again
from imageflow_inspection.reinspect import StaleBatch, inspect_again, stale_batches


@dataclass(frozen=True, kw_only=True)
class CountedBatch:
    """A batch, and the inspection of it that counts."""

    batch: Batch
    inspection: Inspection | None
    """`None` until there is one."""


@dataclass(frozen=True, kw_only=True)
class BatchInFull:
    """A batch, and how often it was judged."""

    batch: Batch
    inspections: tuple[Inspection, ...]
    """All of them, oldest first."""
    judged: int
    """Pictures that the latest inspection has judged so far."""


def list_batches(
    stores: Stores,
    *,
    product: str | None = None,
    name: str | None = None,
    state: BatchState | None = None,
    after: int | None = None,
    limit: int = 100,
) -> Page[CountedBatch]:
    """Return batches, newest first.

    Args:
        stores: Where they are.
        product: Only of this product.
        name: Only versions of the batch of this name.
        state: Only those in this state.
        after: Only those whose id is below.
        limit: At most so many.
    """
    with stores.database.begin() as connection:
        found = rows.page(connection, product=product, name=name, state=state, before=after, limit=limit + 1)
        page = cut(found, limit, lambda batch: str(batch.id))
        counted = _counted(connection, page.items)
    return Page(items=counted, next=page.next)


def batch_in_full(stores: Stores, batch: int) -> BatchInFull:
    """Return a batch; raise `NotFound`."""
    with stores.database.begin() as connection:
        found = rows.get(connection, batch)
        judgements = inspections.of_batch(connection, batch)
        latest = [each.id for each in judgements[-1:]]
        judged = sum(inspections.judged_counts(connection, latest).values())
    return BatchInFull(batch=found, inspections=judgements, judged=judged)


def counted_batch(stores: Stores, batch: Batch) -> CountedBatch:
    """Return a batch with the inspection of it that counts."""
    if batch.inspection_id is None:
        return CountedBatch(batch=batch, inspection=None)
    with stores.database.begin() as connection:
        return CountedBatch(batch=batch, inspection=inspections.get(connection, batch.inspection_id))


def retry_batch(stores: Stores, batch: int) -> CountedBatch:
    """Do what `try_again` does."""
    return counted_batch(stores, try_again(stores, batch))


def list_stale(
    stores: Stores, product: str, *, models: ModelRegistry, after: str = "", limit: int = 100
) -> Page[StaleBatch]:
    """Return what `stale_batches` does, by name beyond `after`, and raise what it raises."""
    found = stale_batches(stores, product, models=models, after=after, limit=limit + 1)
    return cut(found, limit, lambda stale: stale.batch.name)


def ask_again(
    stores: Stores, product: str, *, models: ModelRegistry, names: Collection[str] | None = None
) -> tuple[CountedBatch, ...]:
    """Do what `inspect_again` does, and return the batches that were asked for."""
    asked = inspect_again(stores, product, models=models, names=names)
    with stores.database.begin() as connection:
        return _counted(connection, asked)


def list_refused(stores: Stores, *, after: str = "", limit: int = 100) -> Page[RefusedBatch]:
    """Return uploads that are no batches, by key beyond `after`, which has at most 200 characters."""
    with stores.database.begin() as connection:
        found = manifests.refusals(connection, after=check_text(after, "`after`", most=200), limit=limit + 1)
    return cut(found, limit, lambda refusal: refusal.key)


def _counted(connection: Connection, batches: Sequence[Batch]) -> tuple[CountedBatch, ...]:
    counting = inspections.get_many(connection, [each.inspection_id for each in batches if each.inspection_id])
    return tuple(CountedBatch(batch=each, inspection=counting.get(each.inspection_id or 0)) for each in batches)
