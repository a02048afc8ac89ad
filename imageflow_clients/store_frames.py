"""The pictures of an uploaded folder, read from the object store."""

from collections.abc import Sequence
from functools import cached_property

from imageflow_clients.objects import ObjectStore, check_key
from imageflow_domain.errors import InvalidInput, NotFound


class StoreFrames:
    """The pictures of one uploaded folder, as an `imageflow_domain.ports.FrameSource`."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = f"{check_key(prefix.rstrip('/'))}/"

    @property
    def label(self) -> str:
        """The folder's prefix in the object store, without a slash at the end."""
        return self._prefix.rstrip("/")

    def names(self) -> Sequence[str]:
        """Return every file name, sorted; raise `InvalidInput` where there is none."""
        if not self._sizes:
            raise InvalidInput(f"There is nothing under '{self.label}': upload the frames first.")
        return sorted(self._sizes)

    def size(self, name: str) -> int:
        """Return the bytes of one file; raise `NotFound`."""
        try:
            return self._sizes[name]
        except KeyError:
            raise NotFound(f"No file '{name}' in '{self.label}'.") from None

    def read(self, name: str) -> bytes:
        """Return one file, whole; raise `NotFound`."""
        return self._store.get(f"{self._prefix}{name}", next_step="upload it again")

    @cached_property
    def _sizes(self) -> dict[str, int]:
        # Listed once: a folder of frames is closed before it is read.
        return {stored.key.removeprefix(self._prefix): stored.size for stored in self._store.list_files(self._prefix)}
