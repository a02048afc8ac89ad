"""Put a batch of pictures into the object store, and close it; or leave nothing of it behind."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import IO, Self

from imageflow_clients.database import Connection
from imageflow_clients.database.inspection import batches, masters
from imageflow_clients.stored_object import StoredObject
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import BadFile, BadFileNames, Conflict, InvalidInput, NotReady, TooLarge
from imageflow_domain.file_names import PICTURE_TYPES, bad_picture, shown, why_skipped
from imageflow_domain.ids import check_name
from imageflow_domain.inspection import MOST_PICTURES, Batch
from imageflow_inspection.intake import close_now
from imageflow_pipelines.limits import MAX_ENCODED_BYTES

_MOST_FILES = 2 * MOST_PICTURES
"""Of any kind in one upload."""


def new_batch_name(now: datetime) -> str:
    """Return a unique name: the time, and a few random characters."""
    return f"{now.strftime('%Y%m%d_%H%M%S')}_{secrets.token_hex(2)}"


class BatchUpload:
    """A batch while its pictures arrive. A context manager: what was not closed is taken back.

    The same pictures may be sent again under the same name, and are then the same batch; with others beside them, they
    are its next version. What would replace or leave out a picture that is there is refused.

    For files that may be no pictures, call `take` or `takes` with each; `close` then names all that are wrong.
    """

    def __init__(self, stores: Stores, product: str, name: str) -> None:
        """Raise `NotFound` or `NotReady` for a product that cannot be inspected, `InvalidInput` for a wrong name."""
        self._stores = stores
        self.product = product
        self.name = check_name(name)
        self._names: set[str] = set()
        self._skipped: list[BadFile] = []
        self._wrong: list[BadFile] = []
        self._put: list[str] = []
        self._is_closed = False
        with stores.database.begin() as connection:
            masters.get_product(connection, product)
            if masters.find_published(connection, product) is None:
                raise NotReady(f"The product '{product}' has no published master: publish one, then upload pictures.")
            self._closed_before = self._closed_last(connection)

    @property
    def names(self) -> Sequence[str]:
        """Of the pictures that have arrived."""
        return sorted(self._names)

    @property
    def skipped(self) -> Sequence[BadFile]:
        """Files that are no pictures, by `takes`."""
        return self._skipped

    def takes(self, name: str) -> bool:
        """Whether a file is to be added, by its name alone.

        A file that is no picture is skipped. After a name that is wrong nothing is taken, and names are only looked at.

        Raises `TooLarge` for more files than a batch may have.
        """
        if len(self._skipped) + len(self._wrong) + len(self._names) == _MOST_FILES:
            raise TooLarge(f"There are more than {_MOST_FILES:,} files: split the batch.")
        if (reason := why_skipped(name)) is not None:
            self._skipped.append(BadFile(name=shown(name), reason=reason))
            return False
        if (bad := bad_picture(name)) is not None:
            self._wrong.append(bad)
        return not self._wrong

    def take(self, name: str, file: IO[bytes]) -> None:
        """Add a file where `takes` says so, and read it only then. Raises as `takes` and `add` do."""
        if self.takes(name):
            self.add(name, file.read())

    def _check(self, picture: str) -> None:
        """Raise `InvalidInput` for a picture that is not taken, by its name alone."""
        keys.inspection_upload_file(self.product, self.name, picture)
        if picture in self._names:
            raise InvalidInput(f"There are two pictures '{picture}': rename one.")
        if len(self._names) == MOST_PICTURES:
            raise TooLarge(f"A batch has at most {MOST_PICTURES:,} pictures: split it.")

    def add(self, picture: str, data: bytes) -> None:
        """Keep a picture.

        Raises:
            InvalidInput: For a wrong name, or one that stands twice.
            TooLarge: For one picture or byte too many.
            Conflict: Where another picture of that name lies in the batch.
        """
        self._check(picture)
        if len(data) > MAX_ENCODED_BYTES:
            raise TooLarge(f"'{picture}' has {len(data):,} bytes, more than {MAX_ENCODED_BYTES:,}: make it smaller.")
        key = keys.inspection_upload_file(self.product, self.name, picture)
        with self._stores.database.begin() as connection:
            batches.lock_uploaded(connection, key)  # of two different pictures sent at once, one must be refused
            there = self._stores.objects.head(key)
            if there is None:
                self._put.append(key)
                self._stores.objects.put(key, data)
            elif there.size != len(data) or self._stores.objects.get(key, next_step="upload the batch again") != data:
                raise Conflict(f"{self._exists} It has another '{picture}': choose another name for yours.")
        self._names.add(picture)

    def close(self, now: datetime) -> Batch:
        """Say that all pictures have arrived, and return the batch, which now waits to be inspected.

        Raises:
            InvalidInput: Where there are none.
            BadFileNames: With all files whose names are wrong, as `takes` found.
            Conflict: Where other pictures lie in the batch, or another upload of it took pictures back.
            Postponed: Where they change meanwhile.
        """
        if self._wrong:
            raise BadFileNames(self._wrong)
        if not self._names:
            raise InvalidInput(f"There are no pictures: send at least one of {', '.join(PICTURE_TYPES)}.")
        batch = close_now(self._stores, self.product, self.name, now=now, check=self._check_whole)
        self._is_closed = True
        return batch

    def _check_whole(self, pictures: Sequence[StoredObject]) -> None:
        folder = f"{keys.inspection_upload(self.product, self.name)}/"
        there = {stored.key.removeprefix(folder) for stored in pictures}
        if others := sorted(there - self._names):
            raise Conflict(f"{self._exists} It also has '{others[0]}': choose another name for yours.")
        if gone := sorted(self._names - there):
            raise Conflict(
                f"'{gone[0]}' is gone from batch '{self.name}': another upload of it broke off and took its pictures "
                "back. Send all of them again."
            )

    @property
    def _exists(self) -> str:
        return f"There is a batch '{self.name}' of '{self.product}' already."

    def take_back(self) -> None:
        """Delete what this upload put, unless it was closed, or another upload of the same batch was meanwhile."""
        if self._is_closed or not self._put:
            return
        with self._stores.database.begin() as connection:
            masters.get_product(connection, self.product, lock=True)  # a closing of the batch has ended, or waits
            if self._closed_last(connection) == self._closed_before:
                self._stores.objects.delete_many(self._put)
        self._put = []

    def _closed_last(self, connection: Connection) -> tuple[int, str] | None:
        """Return what was closed last under the batch's name: the row, and what lay there."""
        batch = batches.latest_of(connection, [(self.product, self.name)]).get((self.product, self.name))
        return None if batch is None else (batch.id, batch.listing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.take_back()
