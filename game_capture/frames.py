"""Pictures in a local folder as a `FrameSource`. What a picture must be like is `picture.py`'s business."""

from pathlib import Path

from imageflow_domain.errors import InvalidInput, NotFound


class LocalFrames:
    """The files directly inside one folder.

    Args:
        folder: Need not exist yet; `names` complains when it does not.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def label(self) -> str:
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
        """Return the bytes of one file; raise `NotFound`, or `InvalidInput` for a link that leads out."""
        return self._inside(name).stat().st_size

    def read(self, name: str) -> bytes:
        """Return one file, whole; raise `NotFound`, or `InvalidInput` for a link that leads out."""
        return self._inside(name).read_bytes()

    def _inside(self, name: str) -> Path:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise InvalidInput(f"'{name}' is a link that leads out of the folder.")
        if not path.is_file():
            raise NotFound(f"No file '{name}' in '{self._folder}'.")
        return path
