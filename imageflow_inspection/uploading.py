"""Put a batch of pictures into the object store, and close it; or leave nothing of it behind."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from imageflow_clients.database import masters
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import Conflict, InvalidInput, NotReady, TooLarge
from imageflow_domain.ids import check_name
from imageflow_domain.inspection import MOST_PICTURES, Batch
from imageflow_inspection.intake import close_now
from imageflow_inspection.manifests import close_batch
from imageflow_inspection.uploaded import list_pictures
from imageflow_pipelines.limits import MAX_ENCODED_BYTES


def new_batch_name(now: datetime) -> str:
    """Return a name that nobody else has: the time, and a few random signs."""
    return f"{now.strftime('%Y%m%d_%H%M%S')}_{secrets.token_hex(2)}"


class BatchUpload:
    """A batch while its pictures arrive. A context manager: what was not closed is taken back.

    The same pictures may be sent again under the same name, and are then the same batch; with others beside them, they
    are its next version. What would replace or leave out a picture that is there is refused.
    """

    def __init__(self, stores: Stores, product: str, name: str) -> None:
        """Raise `NotFound` or `NotReady` for a product that cannot be inspected, `InvalidInput` for a wrong name."""
        self._stores = stores
        self.product = product
        self.name = check_name(name)
        self._names: set[str] = set()
        self._put: list[str] = []
        self._is_closed = False
        with stores.database.begin() as connection:
            masters.get_product(connection, product)
            if masters.find_published(connection, product) is None:
                raise NotReady(f"The product '{product}' has no published master: publish one, then upload pictures.")

    @property
    def names(self) -> Sequence[str]:
        """Of the pictures that have arrived."""
        return sorted(self._names)

    def check(self, picture: str) -> None:
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
        self.check(picture)
        if len(data) > MAX_ENCODED_BYTES:
            raise TooLarge(f"'{picture}' has {len(data):,} bytes, more than {MAX_ENCODED_BYTES:,}: make it smaller.")
        key = keys.inspection_upload_file(self.product, self.name, picture)
        there = self._stores.objects.head(key)
        if there is None:
            self._put.append(key)
            self._stores.objects.put(key, data)
        elif there.size != len(data) or self._stores.objects.get(key, next_step="upload the batch again") != data:
            raise Conflict(f"{self._exists} It has another '{picture}': choose another name for yours.")
        self._names.add(picture)

    def close(self, now: datetime) -> Batch:
        """Say that all pictures have arrived, and return the batch, which now waits to be inspected."""
        self._check_whole()
        batch = close_now(self._stores, self.product, self.name, now=now)
        self._is_closed = True
        return batch

    def close_for_the_stack(self, now: datetime) -> str:
        """Say that all pictures have arrived to whoever looks into the store; return the manifest's key."""
        self._check_whole()
        key = close_batch(self._stores, self.product, self.name, now=now)
        self._is_closed = True
        return key

    def _check_whole(self) -> None:
        if not self._names:
            raise InvalidInput(f"There are no pictures: send at least one of {', '.join(keys.PICTURE_TYPES)}.")
        folder = f"{keys.inspection_upload(self.product, self.name)}/"
        there = {stored.key.removeprefix(folder) for stored in list_pictures(self._stores, self.product, self.name)}
        if others := sorted(there - self._names):
            raise Conflict(f"{self._exists} It also has '{others[0]}': choose another name for yours.")

    @property
    def _exists(self) -> str:
        return f"There is a batch '{self.name}' of '{self.product}' already."

    def take_back(self) -> None:
        """Delete what this upload put, unless it was closed."""
        if not self._is_closed:
            self._stores.objects.delete_many(self._put)
            self._put = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.take_back()
