"""What a listing says of an uploaded batch."""

import hashlib
from collections.abc import Iterable

from imageflow_clients.database.batches import Upload
from imageflow_clients.stored_object import StoredObject
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput
from imageflow_domain.inspection import MOST_PICTURES


def list_pictures(stores: Stores, product: str, name: str) -> tuple[StoredObject, ...]:
    """Return a batch's uploaded pictures, by name; raise `InvalidInput` where there are none or too many."""
    folder = keys.inspection_upload(product, name)
    found = stores.objects.list_page(f"{folder}/", limit=2 * MOST_PICTURES)
    return pictures_among(found, folder)


def pictures_among(found: Iterable[StoredObject], folder: str) -> tuple[StoredObject, ...]:
    """Return the pictures; raise `InvalidInput` where there are none or too many."""
    pictures = tuple(stored for stored in found if stored.key.lower().endswith(keys.PICTURE_TYPES))
    if not pictures:
        raise InvalidInput(f"There are no pictures in '{folder}': upload {', '.join(keys.PICTURE_TYPES)} there.")
    if len(pictures) > MOST_PICTURES:
        raise InvalidInput(f"'{folder}' has more than {MOST_PICTURES:,} pictures: split it into several batches.")
    return pictures


def upload_of(product: str, name: str, pictures: Iterable[StoredObject]) -> Upload:
    """Return a batch as its listing shows it."""
    folder = keys.inspection_upload(product, name)
    sha = hashlib.sha256()
    count = size = 0
    for stored in pictures:
        sha.update(f"{stored.key.removeprefix(folder)}\0{stored.size}\0{stored.etag}\n".encode())
        count += 1
        size += stored.size
    return Upload(product=product, name=name, folder=folder, listing=sha.hexdigest(), pictures=count, bytes=size)
