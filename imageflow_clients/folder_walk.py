"""A folder's files in the order in which S3 lists keys, from any key on: obstore walks a folder whole, in no order."""

import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imageflow_clients.stored_object import UNFINISHED, StoredObject

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def walk_in_order(
    root: Path, prefix: str, after: str, passed_over: Callable[[str], None] | None = None
) -> Iterator[StoredObject]:
    """Yield the files of a store below a folder, sorted by key, those behind `after` alone.

    Folders that lie before `after` are not entered. Files and folders that vanish meanwhile are passed over.

    Args:
        root: Of the store.
        prefix: The folder's, ending with "/", or empty.
        after: A key, or any text to compare with keys.
        passed_over: Called with names that cannot be keys, as they are no UTF-8; the wrong bytes are spelled as \\xff.
    """
    for name, is_folder in _entries(root / prefix):
        if not _is_text(name):
            if passed_over is not None:
                passed_over(prefix + os.fsencode(name).decode("utf-8", "backslashreplace"))
            continue
        key = prefix + name
        if is_folder:
            # Every key inside begins with `key`: all of them sort before `after`, or it lies among them.
            if key > after or after.startswith(key):
                yield from walk_in_order(root, key, after, passed_over)
        elif key > after and not UNFINISHED.search(name):
            found = _object(root, key)
            if found is not None:
                yield found


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """Return names, those of folders with a slash at the end, as keys are sorted, and whether they are folders."""
    try:
        with os.scandir(folder) as entries:
            found = [(f"{entry.name}/", True) if entry.is_dir() else (entry.name, False) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # Python's way to spell other bytes
        return False
    return True


def _object(root: Path, key: str) -> StoredObject | None:
    try:
        status = (root / key).stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return StoredObject(
        key=key,
        size=status.st_size,
        # as obstore spells it
        etag=f"{status.st_ino:x}-{status.st_mtime_ns // 1000:x}-{status.st_size:x}",
        last_modified=_EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000),
    )
