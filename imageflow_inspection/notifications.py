"""Notifications of a bucket: a marker beside a batch's pictures closes the batch, and nothing else means anything.

How servers spell their notifications is the gateway's affair.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_inspection.manifests import close_batch


@dataclass(frozen=True, kw_only=True)
class CreatedObject:
    """An object that somebody wrote."""

    key: str
    """In the bucket, in which the store may be a folder."""
    bucket: str | None


@dataclass(frozen=True, kw_only=True)
class ClosedBatch:
    """A batch whose pictures are all there."""

    product: str
    name: str


def close_marked(stores: Stores, created: Iterable[CreatedObject], *, now: datetime) -> tuple[ClosedBatch, ...]:
    """Write a manifest for each batch whose `_DONE` was written, and return these batches.

    Being told twice inspects once. Whoever reads the manifest finds out whether product and pictures are there.
    """
    closed = tuple(dict.fromkeys(batch for each in created if (batch := _closed_by(stores, each)) is not None))
    for batch in closed:
        close_batch(stores, batch.product, batch.name, now=now)
    return closed


def _closed_by(stores: Stores, created: CreatedObject) -> ClosedBatch | None:
    key = stores.objects.key_of(created.key, bucket=created.bucket)
    named = None if key is None else keys.inspection_upload_closed_by(key)
    return None if named is None else ClosedBatch(product=named[0], name=named[1])
