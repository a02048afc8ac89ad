"""An uploaded batch as listed."""

import hashlib
from collections.abc import Iterable, Sequence

from imageflow_clients.database.inspection.batches import Upload
from imageflow_clients.objects import is_key
from imageflow_clients.stored_object import StoredObject
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import BadFile, BadFileNames, InvalidInput
from imageflow_domain.file_names import PICTURE_TYPES, check_file_names, shown, why_no_picture
from imageflow_domain.inspection import MOST_PICTURES

_MOST_FILES = 2 * MOST_PICTURES
"""Of any kind in one folder."""


def list_pictures(stores: Stores, product: str, name: str) -> tuple[StoredObject, ...]:
    """Return a batch's uploaded pictures, by name; raise `InvalidInput` where there are none or too many."""
    folder = keys.inspection_upload(product, name)
    return pictures_among(list_folder(stores, folder), folder)


def list_folder(stores: Stores, folder: str) -> tuple[StoredObject, ...]:
    """Return what lies in the folder of a batch, by name, or as many as show that there are too many."""
    return stores.objects.list_page(f"{folder}/", limit=_MOST_FILES + 1)


def pictures_among(found: Sequence[StoredObject], folder: str) -> tuple[StoredObject, ...]:
    """Return the pictures; raise `InvalidInput` where there are none, too many, or one that no key can name."""
    if len(found) > _MOST_FILES:
        raise InvalidInput(f"'{folder}' has more than {_MOST_FILES:,} files: split it into several batches.")
    pictures = tuple(stored for stored in found if why_no_picture(_name(stored, folder)) is None)
    if not pictures:
        raise InvalidInput(f"There are no pictures in '{folder}': upload {', '.join(PICTURE_TYPES)} there.")
    if len(pictures) > MOST_PICTURES:
        raise InvalidInput(f"'{folder}' has more than {MOST_PICTURES:,} pictures: split it into several batches.")
    wrong = [stored.key.removeprefix(f"{folder.rpartition('/')[0]}/") for stored in pictures if not is_key(stored.key)]
    if wrong:
        raise BadFileNames([BadFile(name=shown(name), reason="can have no object key") for name in wrong])
    return pictures


def skipped_among(found: Sequence[StoredObject], folder: str) -> dict[str, str]:
    """Return the keys of files that are no pictures, each with the reason; the marker that closes a batch is none."""
    named = {stored.key: _name(stored, folder) for stored in found}
    reasons = {key: why_no_picture(name) for key, name in named.items() if name != keys.DONE_MARKER}
    return {key: f"Skipped, as it is no picture: {reason}." for key, reason in reasons.items() if reason is not None}


def check_names(pictures: Sequence[StoredObject], folder: str) -> None:
    """Raise `BadFileNames` with every picture whose name, or folder within the batch's, no file could have."""
    names = {part for stored in pictures for part in _name(stored, folder).split("/")}
    check_file_names(sorted(names))


def _name(stored: StoredObject, folder: str) -> str:
    return stored.key.removeprefix(f"{folder}/")


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
