"""Files that may be written, renamed or deleted while they are read."""

import os
from collections.abc import Iterator
from pathlib import Path


def changed_before(path: Path, instant: float) -> bool:
    """Whether a file was last written before an instant; one that has just vanished was not.

    Args:
        path: Not followed where it is a link.
        instant: Seconds since 1970 UTC.
    """
    try:
        return path.lstat().st_mtime <= instant
    except FileNotFoundError:
        return False


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder; folders that vanish meanwhile held none.

    Raises `OSError` for a folder that is there and cannot be read.
    """
    for parent, _, names in os.walk(folder, onerror=_unless_gone):
        yield from (Path(parent, name) for name in names)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error
