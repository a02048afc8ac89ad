"""Whether an upload holds the pictures that were taken before, to the byte: read before anything is locked, and only so
many bytes a tick."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.database.inspection.batches import Upload
from imageflow_clients.stored_object import StoredObject
from imageflow_clients.stores import Stores
from imageflow_domain.errors import ObjectMissing, Unavailable
from imageflow_domain.inspection import Batch, BatchState, Picture

MOST_COMPARED_BYTES = 512 * 2**20
"""What one tick reads at most; a larger batch counts as another one when its listing is another."""
_AT_ONCE = 8


class Postponed(Unavailable):
    """An upload is looked at again later: it changes right now, or this tick, which tells nobody, has read enough."""

    def __init__(self, upload: Upload) -> None:
        super().__init__(f"What lies in '{upload.folder}' changed while it was looked at: try again in a moment.")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What came of comparing; it says nothing of another version, or of another listing."""

    batch: int
    """The version that was taken."""
    listing: str
    """Of the upload."""
    is_same: bool


class UploadComparer:
    """Compares uploads with what was taken of their batches, until a tick has read its share."""

    def __init__(self, stores: Stores, *, most_bytes: int = MOST_COMPARED_BYTES) -> None:
        self._stores = stores
        self._most_bytes = most_bytes
        self._left_bytes = most_bytes

    def compare(
        self, upload: Upload, pictures: Sequence[StoredObject], *, may_be_fewer: bool = False
    ) -> Compared | None:
        """Compare an upload with the newest version of its batch; `None` where rows and listing tell already.

        Args:
            upload: What lies there now.
            pictures: As they are listed.
            may_be_fewer: What is left of the batch's pictures is the same batch: somebody deletes uploads.

        Raises `Postponed` where it is for another tick to read them.
        """
        with self._stores.database.begin() as connection:
            latest = rows.latest_of(connection, [(upload.product, upload.name)]).get((upload.product, upload.name))
            if latest is None or is_known_by_listing(latest, upload):
                return None
            taken = {picture.name: picture for picture in rows.pictures(connection, latest.id)}
        uploaded = {stored.key.removeprefix(f"{upload.folder}/"): stored for stored in pictures}
        if may_be_fewer:
            taken = {name: picture for name, picture in taken.items() if name in uploaded}
        sizes = {name: picture.bytes for name, picture in taken.items()}
        is_same = sizes == {name: stored.size for name, stored in uploaded.items()}
        if is_same and len(taken) < latest.pictures and _all_before(latest.closed_at, pictures):
            return Compared(batch=latest.id, listing=upload.listing, is_same=True)  # however large, none is read
        is_same = is_same and upload.bytes <= self._most_bytes
        if is_same:
            if upload.bytes > self._left_bytes:
                raise Postponed(upload)
            self._left_bytes -= upload.bytes
            is_same = self._are_equal(taken, uploaded)
        return Compared(batch=latest.id, listing=upload.listing, is_same=is_same)

    def _are_equal(self, taken: Mapping[str, Picture], uploaded: Mapping[str, StoredObject]) -> bool:
        def is_equal(name: str) -> bool:
            try:
                data = self._stores.objects.get(uploaded[name].key, next_step="upload it again")
            except ObjectMissing:
                return False
            return hashlib.sha256(data).hexdigest() == taken[name].digest

        threads = ThreadPoolExecutor(_AT_ONCE, "compare")
        try:
            return all(threads.map(is_equal, taken))
        finally:
            threads.shutdown(cancel_futures=True)  # the first that differs tells


def _all_before(moment: datetime, pictures: Sequence[StoredObject]) -> bool:
    return all(stored.last_modified <= moment for stored in pictures)


def is_known_by_listing(latest: Batch, upload: Upload) -> bool:
    """Tell whether nothing has to be read: it is listed as before, or nobody has looked at what lay there before."""
    return latest.listing == upload.listing or latest.state is BatchState.CLOSED
