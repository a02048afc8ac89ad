"""The object store: a folder, or a bucket of S3. Objects are written whole or not at all.

Who we are to S3 is `s3_account`'s affair.
How requests are bounded is `store_requests`' affair, how large objects travel `multipart`'s, and what is said where
they fail `store_failures`'.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from imageflow_clients.folder_walk import walk_in_order
from imageflow_clients.folder_writes import put_in_folder
from imageflow_clients.multipart import MULTIPART_BYTES, TAKING_BACK_S, MultipartUploads, PartsFailed
from imageflow_clients.store_failures import Request, explain
from imageflow_clients.store_requests import BoundedRequests, DirectRequests
from imageflow_clients.stored_object import UNFINISHED, StoredObject
from imageflow_clients.unfinished import changed_before, files_below
from imageflow_domain.errors import InvalidInput, ObjectMissing, StoreUnavailable
from imageflow_domain.file_names import holds_control

if TYPE_CHECKING:
    from obstore import ListStream, ObjectMeta

_KEY_BYTES = 1024
_DELETED_AT_ONCE = 500
_FOLDERS_A_PAGE = 200
_LONGEST_LIFE = timedelta(days=7)
_CHECK_S = 5.0


class ObjectStore:
    """Objects by key. Safe to share among threads; after a fork, open another.

    Each request to a server is over, retries included, by IMAGEFLOW_STORE_DEADLINE_S; what cannot pass by itself (wrong
    keys, no bucket) is not tried again. A listing is one request for each thousand objects.
    """

    def __init__(self, store: LocalStore | S3Store, *, label: str, bucket: "Bucket | None" = None) -> None:
        self._store = store
        self._bucket = bucket
        self._requests = DirectRequests() if bucket is None else bucket.requests
        self.label = label
        """How messages name it."""

    def where(self, key: str) -> str:
        """Return where an object or folder lies, for people: a path, or an address of S3."""
        if isinstance(self._store, LocalStore):
            return str(Path(str(self._store.prefix)) / check_key(key))
        prefix = f"{self._store.prefix}/" if self._store.prefix else ""
        return f"s3://{self._store.config['bucket']}/{prefix}{check_key(key)}"

    def key_of(self, key: str, *, bucket: str | None) -> str | None:
        """Return the key here of an object that lies in a bucket; `None` where it lies outside this store.

        Args:
            key: In the bucket.
            bucket: Its name; `None` where whoever tells of the object does not say.
        """
        if isinstance(self._store, LocalStore):
            return key
        prefix = f"{self._store.prefix}/" if self._store.prefix else ""
        if bucket not in (None, self._store.config["bucket"]) or not key.startswith(prefix):
            return None
        return key.removeprefix(prefix)

    def check(self) -> None:
        """Raise `StoreUnavailable` where the store cannot be read: nothing answers, wrong keys, no bucket."""
        with self._explained("a listing"):
            if self._bucket is None:
                obstore.list_with_delimiter(self._store, "health/")
            else:
                self._bucket.requests.within(_CHECK_S, lambda: obstore.list_with_delimiter(self._store, "health/"))

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whole or not at all, in place of any other of that key."""
        with self._explained(check_key(key), "write"):
            if self._bucket is not None and len(data) >= MULTIPART_BYTES:
                self._bucket.put_in_parts(key, data)
            elif self._bucket is not None:
                self._requests.make(obstore.put, self._store, key, data, use_multipart=False)
            else:
                put_in_folder(self._store, key, data)

    def get(self, key: str, *, next_step: str, what: str = "") -> bytes:
        """Return an object.

        Args:
            key: Of the object.
            next_step: What a reader of the error can do where it is missing: "materialise ... again".
            what: What it holds, where its key alone does not say so: "the screenshot of area ...".

        Raises `ObjectMissing`, `StoreUnavailable`.
        """
        try:
            with self._explained(check_key(key)):
                return self._requests.make(_read, self._store, key)
        except FileNotFoundError as error:
            raise ObjectMissing(key, next_step=next_step, what=what) from error

    def head(self, key: str) -> StoredObject | None:
        """Return what is known of an object without reading it, or None where there is none."""
        try:
            with self._explained(check_key(key)):
                return _stored(self._requests.make(obstore.head, self._store, key))
        except FileNotFoundError:
            return None
        except StoreUnavailable:
            self.check()  # an answer to HEAD gives no reason
            raise

    def exists(self, key: str) -> bool:
        """Whether there is an object of exactly this key; a folder of objects is none. Raises `StoreUnavailable`."""
        return self.head(key) is not None

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with self._explained(check_key(key), "delete"):
            try:
                self._requests.make(obstore.delete, self._store, key)
            except FileNotFoundError:
                return

    def delete_many(self, keys: Iterable[str]) -> int:
        """Remove objects, hundreds in one request where the store can; return how many keys there were.

        Those that are not there are no error.
        """
        left = iter(keys)
        count = 0
        while some := [check_key(key) for key in islice(left, _DELETED_AT_ONCE)]:
            with self._explained(some[0], "delete"):
                try:
                    self._requests.make(obstore.delete, self._store, some)
                except FileNotFoundError:
                    for key in some:  # somebody else deletes here too: go on with what is left
                        self.delete(key)
            count += len(some)
        return count

    def delete_prefix(self, prefix: str) -> int:
        """Remove every object below a folder, and return how many there were."""
        return self.delete_many(stored.key for stored in self.list(prefix))

    def delete_unfinished(self, older_than: timedelta) -> int:
        """Remove what writers that were killed left of objects that never came to be; return how many.

        Args:
            older_than: Younger ones may still be written.
        """
        with self._explained("unfinished objects", "delete"):
            if self._bucket is not None:
                return self._bucket.parts.take_back(older_than=older_than)
            return _delete_unfinished(Path(str(self._store.prefix)), older_than)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield every object below a folder, in no particular order, without holding them all."""
        folder = _check_prefix(prefix)
        with self._explained(prefix):
            stream = obstore.list(self._store, folder)
            while batch := self._requests.make(_next_batch, stream):
                yield from (_stored(meta) for meta in batch)

    def list_page(
        self, prefix: str, *, after: str = "", limit: int, passed_over: Callable[[str], None] | None = None
    ) -> tuple[StoredObject, ...]:
        """Return the first `limit` objects below a folder whose keys sort behind `after`, in the order of keys.

        `after` need not be there, but is spelled as a key, or empty. What lies before it costs nothing, however much
        that is, nor what lies behind the page; but MinIO goes on reading that for minutes (see `list_page_of_folders`).

        Args:
            prefix: The folder's.
            after: See above.
            limit: How many are returned at most.
            passed_over: Told of files that can have no key, as a folder may hold.
        """
        folder = _check_prefix(prefix)
        with self._explained(prefix):
            if isinstance(self._store, LocalStore):
                return tuple(islice(walk_in_order(Path(str(self._store.prefix)), folder, after, passed_over), limit))
            stream = obstore.list(self._store, folder, offset=after or None, chunk_size=min(limit, 1000))
            found: list[StoredObject] = []
            while len(found) < limit and (batch := self._requests.make(_next_batch, stream)):
                found += map(_stored, batch)
            return tuple(found[:limit])

    def list_page_of_folders(
        self, prefix: str, *, after: str = "", limit: int, passed_over: Callable[[str], None] | None = None
    ) -> tuple[tuple[StoredObject, ...], bool]:
        """Return what `list_page` does, or less, at little cost to a server; and whether nothing lies behind it.

        Once asked for a page, MinIO goes on reading for minutes, to the end of the prefix that it was asked about.
        Whoever pages again and again asks it for one of the folders directly inside after the other. Of a bucket, what
        lies directly in `prefix` is left out, and so are folders of names that no key of ours has: `passed_over` is
        told of these.
        """
        if isinstance(self._store, LocalStore):
            page = self.list_page(prefix, after=after, limit=limit, passed_over=passed_over)
            return page, len(page) < limit
        folders = sorted(f"{_check_prefix(prefix)}{name}/" for name in self.list_folders(prefix))
        left = [folder for folder in folders if folder > after or after.startswith(folder)]
        found: list[StoredObject] = []
        for count, folder in enumerate(left, start=1):
            if not is_key(folder.removesuffix("/")):
                if passed_over is not None:
                    passed_over(folder)
                continue
            begin = after if after.startswith(folder) else ""
            found += self.list_page(folder, after=begin, limit=limit - len(found))
            if len(found) == limit or (found and count >= _FOLDERS_A_PAGE):
                return tuple(found), False
        return tuple(found), True

    def list_files(self, prefix: str) -> tuple[StoredObject, ...]:
        """Return the objects directly inside a folder, sorted by key."""
        with self._explained(prefix):
            found = self._requests.make(obstore.list_with_delimiter, self._store, _check_prefix(prefix))["objects"]
        return tuple(sorted((_stored(meta) for meta in found), key=lambda stored: stored.key))

    def list_folders(self, prefix: str) -> tuple[str, ...]:
        """Return the names of the folders directly inside a folder, sorted."""
        with self._explained(prefix):
            found = self._requests.make(obstore.list_with_delimiter, self._store, _check_prefix(prefix))
        return tuple(sorted(folder.rstrip("/").rpartition("/")[2] for folder in found["common_prefixes"]))

    def sign(self, method: Literal["GET", "PUT"], key: str, *, life: timedelta) -> str:
        """Return an address by which whoever has it reads or writes one object without keys, for a while.

        Args:
            method: What the address is good for.
            key: Of the object, which need not exist.
            life: From now on, at most seven days.

        Raises `InvalidInput` for a folder, which has no addresses.
        """
        check_key(key)
        if isinstance(self._store, LocalStore):
            raise InvalidInput(
                f"{self.label} gives no addresses: read and write through the API, or use a bucket of S3."
            )
        if not timedelta(seconds=1) <= life <= _LONGEST_LIFE:
            raise InvalidInput("An address lives for a second at least, and for seven days at most.")
        with self._explained(key):
            return obstore.sign(self._store, method, key, life)

    @contextmanager
    def _explained(self, key: str, request: Request = "read") -> Iterator[None]:
        """Turn the store's errors into ours; a missing object stays `FileNotFoundError`."""
        try:
            yield
        except (FileNotFoundError, NotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise explain(self.label, key, error, request=request) from error
            raise FileNotFoundError(key) from error
        except (BaseError, OSError, PartsFailed) as error:
            raise explain(self.label, key, error, request=request) from error


class Bucket:
    """What only a bucket of a server has: bounded requests, and uploads in parts."""

    def __init__(self, requests: BoundedRequests, parts: MultipartUploads) -> None:
        self.requests = requests
        self.parts = parts

    def put_in_parts(self, key: str, data: bytes) -> None:
        """Write a large object within the deadline; what fails takes its parts back."""
        seconds = self.requests.deadline_s
        deadline = time.monotonic() + seconds
        self.requests.within(
            seconds + 2 * TAKING_BACK_S, lambda: self.parts.put(key, data, seconds=deadline - time.monotonic())
        )


def check_key(key: str) -> str:
    """Return `key` if it can only mean an object inside the store; raise `InvalidInput` otherwise."""
    if not is_key(key):
        raise InvalidInput(f"{key!r} is not a valid object key: rename it.")
    return key


def is_key(key: str) -> bool:
    """Tell whether `key` can only mean an object inside the store."""
    parts = key.split("/")
    return (
        not any(part in {"", ".", ".."} or UNFINISHED.search(part) for part in parts)
        and "\\" not in key
        and not holds_control(key)
        and len(key.encode()) <= _KEY_BYTES
    )


def _check_prefix(prefix: str) -> str:
    """Return a folder's prefix, ending with "/"; "" is the whole store."""
    return f"{check_key(prefix.removesuffix('/'))}/" if prefix else ""


def _stored(meta: "ObjectMeta") -> StoredObject:
    return StoredObject(
        key=meta["path"], size=meta["size"], etag=(meta["e_tag"] or "").strip('"'), last_modified=meta["last_modified"]
    )


def _read(store: LocalStore | S3Store, key: str) -> bytes:
    return bytes(obstore.get(store, key).bytes())


def _next_batch(stream: "ListStream[Sequence[ObjectMeta]]") -> "Sequence[ObjectMeta]":
    return next(stream, ())


def _delete_unfinished(folder: Path, older_than: timedelta) -> int:
    before = time.time() - older_than.total_seconds()
    left = [path for path in files_below(folder) if UNFINISHED.search(path.name) and changed_before(path, before)]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)
