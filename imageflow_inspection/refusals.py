"""Uploads that are not inspected: manifests, folders and files, each noted once with the reason."""

from collections.abc import Mapping, Sequence

from imageflow_clients.database.inspection import manifests
from imageflow_clients.stored_object import StoredObject
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import RefusedBatch
from imageflow_inspection.uploaded import skipped_among

KEY_CHARS = 200
"""Of a key, as a row holds it."""


class Refusals:
    """Notes what was uploaded and is not inspected, and keeps what nobody noted before."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.new: list[RefusedBatch] = []

    def note(self, reasons: Mapping[str, str]) -> None:
        """Note why objects are not inspected, by key; those of which nobody noted it before are added to `new`."""
        if reasons:
            with self._stores.database.begin() as connection:
                self.new += manifests.note_refused(connection, reasons)

    def note_skipped(self, found: Sequence[StoredObject], folder: str) -> None:
        """Note the files of a batch's folder that are no pictures."""
        self.note({_short(key): reason for key, reason in skipped_among(found, folder).items()})

    def note_name(self, key: str) -> None:
        """Note an object whose name cannot be read as a key; nothing else is looked at of it."""
        self.note({_short(key): "Its name is no UTF-8, or none that a key can have: rename it."})


def _short(key: str) -> str:
    """Return a key as a row holds it: the middle of a long one is left out."""
    side = (KEY_CHARS - 3) // 2
    return key if len(key) <= KEY_CHARS else f"{key[:side]}...{key[-side:]}"
