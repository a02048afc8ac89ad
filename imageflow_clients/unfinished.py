"""Files that somebody may be writing, renaming or deleting while they are looked at."""

from pathlib import Path


def changed_before(path: Path, instant: float) -> bool:
    """Tell whether a file was last written before an instant; one that has just vanished was not.

    Args:
        path: Not followed where it is a link.
        instant: Seconds since 1970 UTC.
    """
    try:
        return path.lstat().st_mtime <= instant
    except FileNotFoundError:
        return False
