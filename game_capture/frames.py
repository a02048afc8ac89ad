"""Pictures in a local folder as a `FrameSource`. What a picture must be like is `picture.py`'s business."""

import os
from pathlib import Path

from imageflow_domain.errors import InvalidInput, NotFound


class LocalFrames:
    """The files directly inside one folder.

    Args:
        folder: Need not exist yet; `names` complains when it does not.
        follow_links: Read links that lead out of it, too: right where who asks for the folder owns it.
    """

    def __init__(self, folder: Path, *, follow_links: bool = False) -> None:
        self._folder = folder
        self._follow_links = follow_links

    @property
    def label(self) -> str:
        """The folder as it was given."""
        return str(self._folder)

    def names(self) -> list[str]:
        """Return every file name, sorted; symbolic links count even where they lead nowhere.

        Raises `InvalidInput` where the folder is missing, unreadable or empty.
        """
        if not self._folder.is_dir():
            raise InvalidInput(f"There is no folder '{self._folder}': name the folder that holds the frames.")
        try:
            names = sorted(path.name for path in self._folder.iterdir() if path.is_symlink() or path.is_file())
        except OSError as error:
            raise InvalidInput(f"The folder '{self._folder}' cannot be read: {error.strerror}.") from error
        if not names:
            raise InvalidInput(f"The folder '{self._folder}' is empty: put the frames into it.")
        return names

    def size(self, name: str) -> int:
        """Return the bytes of one file; raise `NotFound`, or `InvalidInput` for a link that is not read."""
        return self._inside(name).stat().st_size

    def read(self, name: str) -> bytes:
        """Return one file, whole; raise `NotFound`, or `InvalidInput` for a link that is not read."""
        return self._inside(name).read_bytes()

    def _inside(self, name: str) -> Path:
        if Path(name).name != name:
            raise InvalidInput(f"'{name}' leads out of the folder.")
        path = self._folder / name
        target = _target(path)
        if not self._follow_links and not target.is_relative_to(_target(self._folder)):
            raise InvalidInput(f"'{name}' is a link that leads out of the folder.")
        if target.is_file():
            return target
        raise (
            InvalidInput(broken_link(path)) if path.is_symlink() else NotFound(f"No file '{name}' in '{self._folder}'.")
        )


def broken_link(path: Path) -> str:
    """Say what is wrong with a symbolic link that leads to no file."""
    return f"'{path.name}' is a link to '{path.readlink()}', where there is no file."


def _target(path: Path) -> Path:
    # `Path.resolve` raises for links that lead in a circle.
    return Path(os.path.realpath(path))
