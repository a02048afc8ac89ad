"""The folder that a container shares with us: inputs that it reads, outputs that it writes, which are checked."""

import os
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from typing_extensions import override

INSIDE = "/exchange"
"""Where a container sees the folder of inputs and outputs."""
FILE_BYTES = 256 * 2**20
"""The largest file that a container may write."""
MOST_BYTES = 2 * FILE_BYTES
"""All files that a container may have written at once."""
_MOST_FILES = 256


class WrongOutput(Exception):
    """A file that is not taken; the message goes on after the name of the output."""


class FolderLost(Exception):
    """The folder is not reached any more: its container's pod has ended, or the connection to it."""


class Exchange(Protocol):
    """Inputs and outputs of one container. Everything but `output` may raise `FolderLost`."""

    def write(self, name: str, data: Iterable[bytes]) -> str:
        """Write an input; return its path as the container sees it."""
        ...

    def output(self, name: str) -> str:
        """Return the path at which the container writes an output."""
        return f"{INSIDE}/out/{name}"

    def read(self, name: str) -> bytes | None:
        """Return an output, or `None` where the container wrote none; raise `WrongOutput` for what is no file."""
        ...

    def is_overfull(self) -> bool:
        """Return whether the container wrote more files or bytes than are taken, or closed a folder to us."""
        ...

    def clear(self) -> None:
        """Remove all files; raise `OSError` where that is not possible."""
        ...


class ExchangeFolder(Exchange):
    """`in` and `out` below one folder of this machine, emptied between images."""

    def __init__(self, folder: Path) -> None:
        """Take a folder that has both."""
        self.path = folder
        self._in = folder / "in"
        self._out = folder / "out"

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Make both below a folder that is there."""
        made = cls(folder)
        for each in (made._in, made._out):
            each.mkdir()
            each.chmod(0o755)  # the umask may forbid it, and the container may run as another user
        return made

    @property
    def out(self) -> Path:
        """The folder that the container writes."""
        return self._out

    @override
    def write(self, name: str, data: Iterable[bytes]) -> str:
        path = self._in / name
        with path.open("wb") as file:
            file.writelines(data)
        path.chmod(0o644)
        return f"{INSIDE}/in/{name}"

    @override
    def read(self, name: str) -> bytes | None:
        file = self.open(name)
        if file is None:
            return None
        with file:
            return file.read(FILE_BYTES)

    def open(self, name: str) -> BinaryIO | None:
        """Return an output to be read, as `read` does."""
        try:
            # The container may have put a link or a pipe there: neither is followed or waited for.
            descriptor = os.open(self._out / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WrongOutput(f"cannot be read: {error.strerror}") from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise WrongOutput("is no regular file")
            if found.st_size > FILE_BYTES:
                raise WrongOutput(f"has {found.st_size:,} bytes, more than {FILE_BYTES:,}")
        except BaseException:
            os.close(descriptor)
            raise
        return os.fdopen(descriptor, "rb")

    @override
    def is_overfull(self) -> bool:
        count = size = 0
        closed: list[OSError] = []
        for folder, folders, files in os.walk(self._out, onerror=closed.append):
            count += len(folders) + len(files)
            if count > _MOST_FILES:
                return True
            for name in files:
                with suppress(FileNotFoundError):  # the container removed it
                    size += Path(folder, name).lstat().st_size
        # What cannot be looked into may hold anything; a folder that was removed meanwhile holds nothing.
        return size > MOST_BYTES or any(not isinstance(error, FileNotFoundError) for error in closed)

    @override
    def clear(self) -> None:
        for folder in (self._in, self._out):
            for entry in os.scandir(folder):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    Path(entry.path).unlink()
