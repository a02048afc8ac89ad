"""The object store: a folder, or a bucket of S3. Objects are written whole or not at all.

S3 is set up by the usual `AWS_*` variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL.
"""

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from imageflow_clients.settings import Settings
from imageflow_domain.errors import Conflict, ImageFlowError, InvalidInput, NotFound, ObjectMissing, StoreUnavailable

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Config

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_KEY_BYTES = 1024
# A folder's store keeps unfinished objects under such names and shows none of them.
_UNFINISHED = re.compile(r"#\d+$")


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """What a listing says of an object. Another content under the key has another `etag`."""

    key: str
    size: int
    etag: str
    last_modified: datetime


class ObjectStore:
    """Objects by key. Safe to share among threads."""

    def __init__(self, store: LocalStore | S3Store, *, label: str, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder
        self.label = label
        """How messages name it."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whole or not at all, in place of any other of that key."""
        with self._explained(check_key(key)):
            # Never in parts: a part that is left behind is seen by nobody, and kept and paid for.
            obstore.put(self._store, key, data, use_multipart=False)

    def get(self, key: str, *, next_step: str) -> bytes:
        """Return an object.

        Args:
            key: Of the object.
            next_step: What a reader of the error can do where it is missing: "materialise ... again".

        Raises `ObjectMissing`, `StoreUnavailable`.
        """
        try:
            with self._explained(check_key(key)):
                return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError as error:
            raise ObjectMissing(key, next_step=next_step) from error

    def head(self, key: str) -> StoredObject | None:
        """Return what is known of an object without reading it, or None where there is none."""
        try:
            with self._explained(check_key(key)):
                return _stored(obstore.head(self._store, key))
        except FileNotFoundError:
            return None

    def exists(self, key: str) -> bool:
        return self.head(key) is not None

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with self._explained(check_key(key)):
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    def delete_prefix(self, prefix: str) -> int:
        """Remove every object below a folder, and return how many there were."""
        keys = (stored.key for stored in self.list(prefix))
        count = 0
        while some := list(islice(keys, 500)):
            with self._explained(prefix):
                try:
                    obstore.delete(self._store, some)
                except FileNotFoundError:
                    for key in some:  # somebody else deletes here too: go on with what is left
                        self.delete(key)
            count += len(some)
        return count

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield every object below a folder, in no particular order, without holding them all."""
        folder = _check_prefix(prefix)
        with self._explained(prefix):
            for batch in obstore.list(self._store, folder):
                yield from (_stored(meta) for meta in batch)

    def list_files(self, prefix: str) -> tuple[StoredObject, ...]:
        """Return the objects directly inside a folder, sorted by key."""
        with self._explained(prefix):
            found = obstore.list_with_delimiter(self._store, _check_prefix(prefix))["objects"]
        return tuple(sorted((_stored(meta) for meta in found), key=lambda stored: stored.key))

    def list_folders(self, prefix: str) -> tuple[str, ...]:
        """Return the names of the folders directly inside a folder, sorted."""
        with self._explained(prefix):
            found = obstore.list_with_delimiter(self._store, _check_prefix(prefix))["common_prefixes"]
        return tuple(sorted(folder.rstrip("/").rpartition("/")[2] for folder in found))

    def delete_unfinished(self, older_than: timedelta) -> int:
        """Remove what killed processes had not finished writing, and return how much there was.

        Only a folder keeps such files, under names that no listing shows; a bucket's lifecycle rule ends what was sent
        in parts.
        """
        if self._folder is None:
            return 0
        latest = time.time() - older_than.total_seconds()
        count = 0
        with self._explained(""):
            for path in self._folder.rglob("*#*"):
                if _UNFINISHED.search(path.name) and path.stat().st_mtime <= latest:
                    path.unlink(missing_ok=True)
                    count += 1
        return count

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Turn the store's errors into ours; a missing object stays `FileNotFoundError`."""
        try:
            yield
        except (FileNotFoundError, NotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise _explain(self.label, key, str(error)) from error
            raise FileNotFoundError(key) from error
        except (BaseError, OSError) as error:
            raise _explain(self.label, key, str(error)) from error


class StoreFrames:
    """The pictures of one uploaded folder, as an `imageflow_domain.ports.FrameSource`."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = _check_prefix(prefix)

    @property
    def label(self) -> str:
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
        # Listed once: a folder of frames is closed before anybody reads it.
        return {stored.key.removeprefix(self._prefix): stored.size for stored in self._store.list_files(self._prefix)}


def open_object_store(settings: Settings) -> ObjectStore:
    """Return the store of these settings; raise `StoreUnavailable` or `InvalidInput`. S3 is first asked when used."""
    url = settings.object_store_url
    if url is None:
        return _open_folder(settings.home_path / "objects")
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        return _open_folder(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return _open_bucket(parts.netloc, parts.path.strip("/"))
    raise InvalidInput("IMAGEFLOW_OBJECT_STORE_URL must look like s3://bucket/prefix or file:///folder.")


def check_key(key: str) -> str:
    """Return `key` if it can only mean an object inside the store; raise `InvalidInput` otherwise."""
    parts = key.split("/")
    if (
        any(part in {"", ".", ".."} for part in parts)
        or "\\" in key
        or not key.isprintable()
        or len(key.encode()) > _KEY_BYTES
        or any(_UNFINISHED.search(part) for part in parts)
    ):
        raise InvalidInput(f"{key!r} is not a valid object key.")
    return key


def _check_prefix(prefix: str) -> str:
    """Return a folder's prefix, ending with "/"; "" is the whole store."""
    return f"{check_key(prefix.removesuffix('/'))}/" if prefix else ""


def _stored(meta: "ObjectMeta") -> StoredObject:
    return StoredObject(
        key=meta["path"], size=meta["size"], etag=(meta["e_tag"] or "").strip('"'), last_modified=meta["last_modified"]
    )


def _open_folder(folder: Path) -> ObjectStore:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return ObjectStore(LocalStore(folder, automatic_cleanup=True), label=f"the folder '{folder}'", folder=folder)
    except (BaseError, OSError) as error:
        raise _explain(f"the folder '{folder}'", str(folder), str(error)) from error


def _open_bucket(bucket: str, prefix: str) -> ObjectStore:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    parts = urlsplit(endpoint)
    label = f"'s3://{bucket}' at {parts.netloc.rpartition('@')[2] or 'AWS'}"
    config: S3Config = {"virtual_hosted_style_request": False}
    if endpoint:
        config["endpoint"] = endpoint
    store = S3Store(
        bucket,
        config=config,
        prefix=prefix or None,
        client_options={
            # Keys travel unencrypted over http: only within this machine, or when told so.
            "allow_http": parts.hostname in _LOOPBACK or os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(seconds=60),
        },
        retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=20)},
    )
    return ObjectStore(store, label=label)


def _explain(label: str, key: str, said: str) -> ImageFlowError:
    if re.search(r"os error (20|21)\b", said):
        return Conflict(f"In {label}, '{key}' would be a file and a folder at once: choose another name.")
    if re.search(r"os error 36\b|name too long", said):
        return InvalidInput(f"A part of '{key}' is too long for {label}: choose a shorter name.")
    for pattern, sentence in (
        (r"os error (28|122)\b|No space left|StorageFull", "is full: free some space, then try again"),
        (r"os error 27\b|File too large", "does not take so large a file: raise the limit of file sizes"),
        (r"os error 30\b|Read-only", "is on a read-only disk: name another one"),
        (r"NoSuchBucket", "has no such bucket: create it"),
        (r"Unauthenticated|SignatureDoesNotMatch|InvalidAccessKeyId|\b401\b", "refuses our keys: mend AWS_*"),
        (r"os error (1|13)\b|Permission ?denied|AccessDenied|\b403\b", "refuses '{key}': give this account access"),
        (r"builder error|URL scheme is not allowed", "is reached over http only when AWS_ALLOW_HTTP=true"),
        (r"error sending request|connect|dns|timed out", "does not answer: start it, or mend AWS_ENDPOINT_URL"),
    ):
        if re.search(pattern, said, re.IGNORECASE):
            return StoreUnavailable(f"The object store, {label}, {sentence.replace('{key}', key)}.")
    first = said.strip().partition("\n")[0]
    return StoreUnavailable(f"The object store, {label}, failed on '{key}': {first}.")
