"""How a folder's store writes an object: whole or not at all, under any name that a file may have."""

import uuid
from pathlib import Path

import obstore
from obstore.exceptions import GenericError
from obstore.store import LocalStore, S3Store

from imageflow_domain.file_names import MOST_NAME_BYTES

_TRIES = 9
_ADDED_BYTES = 8
"""What obstore may add to a file's name while it writes the file."""


def put_in_folder(store: LocalStore | S3Store, key: str, data: bytes) -> None:
    """Write a file; a folder that was emptied beside us, and so taken away from under us, is made again.

    Args:
        store: Whose folder it is.
        key: Checked before.
        data: All of it.
    """
    is_long = len(key.rpartition("/")[2].encode()) > MOST_NAME_BYTES - _ADDED_BYTES
    for left in reversed(range(_TRIES)):
        try:
            if is_long:
                _put_long_name(Path(str(store.prefix)) / key, data)
            else:
                obstore.put(store, key, data, use_multipart=False)
        except (GenericError, FileNotFoundError) as error:
            is_gone = isinstance(error, FileNotFoundError) or "Unable to create dir" in str(error)
            if left == 0 or not is_gone:
                raise
        else:
            return


def _put_long_name(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"#{uuid.uuid4().int}")  # matches `UNFINISHED`: never listed, and swept
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
