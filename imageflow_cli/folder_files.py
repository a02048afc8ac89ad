"""The files of a folder that the command line is given: its owner's, so links are followed wherever they lead."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import click

from game_capture.frames import broken_link
from imageflow_domain.errors import InvalidInput

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class FolderFiles:
    """What lies directly inside a folder, without hidden files and those whose name begins with '_'."""

    taken: tuple[Path, ...]
    """By name."""
    left_out: tuple[str, ...]
    """Names of files of other types."""

    def tell_left_out(self, why: str) -> None:
        """Say which files are left out, if there are any."""
        if self.left_out:
            more = f" and {len(self.left_out) - _SHOWN} more" if len(self.left_out) > _SHOWN else ""
            click.echo(f"Left out, {why}: {', '.join(self.left_out[:_SHOWN])}{more}.", err=True)


def files_of(folder: Path, types: Collection[str]) -> FolderFiles:
    """Return the files of a folder.

    Args:
        folder: Subfolders are not looked into.
        types: Endings of the files that are taken, in small letters, e.g. '.png'.

    Raises:
        InvalidInput: For what is no folder or cannot be read, and with every link among `types` that leads to no file.
    """
    if not folder.is_dir():
        raise InvalidInput(f"'{folder}' is not a folder.")
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))
    except OSError as error:
        raise InvalidInput(f"'{folder}' cannot be read: {error.strerror}.") from error
    present = [path for path in paths if path.is_file() or (path.is_symlink() and not path.is_dir())]
    taken = tuple(path for path in present if _is_of(path, types))
    broken = [path for path in taken if not path.is_file()]
    if broken:
        raise InvalidInput("\n".join(map(broken_link, broken)))
    return FolderFiles(taken=taken, left_out=tuple(path.name for path in present if not _is_of(path, types)))


def _is_of(path: Path, types: Collection[str]) -> bool:
    return path.suffix.lower() in types
