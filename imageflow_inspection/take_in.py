"""Keep the pictures of a batch under the digests of their bytes, so that it stays what it was when it was closed."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from imageflow_clients.database.inspection import batches as rows
from imageflow_clients.stored_object import StoredObject
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import Conflict, TooLarge
from imageflow_domain.inspection import Picture
from imageflow_inspection.uploaded import list_pictures, upload_of
from imageflow_pipelines.limits import MAX_ENCODED_BYTES

_AT_ONCE = 8
_TRIES = 3


def take_in(stores: Stores, batch_id: int) -> tuple[Picture, ...]:
    """Return the pictures of a batch, each kept in the store; those of one that was taken before as they are.

    Raises:
        InvalidInput: For a folder without pictures, or a picture that is too large; the message names it.
        Conflict: The folder is still being written to.
        StoreUnavailable: Or `DatabaseUnavailable`; it may be called again.
    """
    with stores.database.begin() as connection:
        batch = rows.get(connection, batch_id)
        if batch.source_digest is not None:
            return rows.pictures(connection, batch_id)
    for _ in range(_TRIES):
        uploaded = list_pictures(stores, batch.product, batch.name)
        pictures = _keep(stores, uploaded, f"{batch.folder}/")
        listing = upload_of(batch.product, batch.name, uploaded).listing
        if upload_of(batch.product, batch.name, list_pictures(stores, batch.product, batch.name)).listing == listing:
            break
    else:
        raise Conflict(f"'{batch.folder}' is still being written to: close the batch once all of it is there.")
    sha = hashlib.sha256()
    for picture in pictures:
        sha.update(f"{picture.name}\0{picture.digest}\n".encode())
    with stores.database.begin() as connection:
        if rows.get(connection, batch_id, lock=True).source_digest is not None:  # another run was faster
            return rows.pictures(connection, batch_id)
        rows.set_taken(connection, batch_id, pictures, listing=listing, source_digest=sha.hexdigest())
    return pictures


def _keep(stores: Stores, uploaded: Sequence[StoredObject], folder: str) -> tuple[Picture, ...]:
    def keep(place: int, stored: StoredObject) -> Picture:
        if stored.size > MAX_ENCODED_BYTES:
            raise TooLarge(
                f"'{stored.key}' has {stored.size:,} bytes, more than {MAX_ENCODED_BYTES:,}: make it smaller."
            )
        data = stores.objects.get(stored.key, next_step="upload it again, then close the batch")
        digest = hashlib.sha256(data).hexdigest()
        key = keys.inspected_picture(digest)
        kept = stores.objects.head(key)
        # Another batch may have kept it long ago. Reading it as well would take twice the time; who judges does.
        if kept is None or kept.size != len(data):
            stores.objects.put(key, data)
        return Picture(place=place, name=stored.key.removeprefix(folder), key=key, digest=digest, bytes=len(data))

    with ThreadPoolExecutor(_AT_ONCE, "take-in") as threads:
        return tuple(threads.map(keep, range(len(uploaded)), uploaded))
