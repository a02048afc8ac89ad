"""What lies where in the folder of one embedded server, and the locks by which processes agree about it."""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from imageflow_domain.errors import DatabaseUnavailable

ROLE = "imageflow"
_SOCKET_NAME = ".s.PGSQL.5432"
_POLL_S = 0.01


@dataclass(frozen=True)
class ServerFolder:
    """One folder, one server. `path` is absolute and free of symbolic links."""

    path: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory; it exists only once it is whole."""
        return self.path / "data"

    @property
    def log(self) -> Path:
        """What PostgreSQL prints; the supervisor starts another once it is large."""
        return self.path / "server.log"

    @property
    def secret(self) -> Path:
        """The random password of this server, made with its data."""
        return self.data / "imageflow.secret"

    @property
    def pid_file(self) -> Path:
        """Written by PostgreSQL itself while it runs; its first line is the server's process id."""
        return self.data / "postmaster.pid"

    @property
    def clients_lock(self) -> Path:
        """Held shared by every process that may connect; an exclusive lock proves that there is none."""
        return self.path / "clients.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the one client that is starting the server."""
        return self.path / "start.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor for its whole life; its text is the supervisor's process id."""
        return self.path / "supervisor.lock"

    def password(self) -> str:
        """Return what is in `secret`; raise `FileNotFoundError` before the data is made."""
        return self.secret.read_text(encoding="ascii")

    def socket_folder(self) -> Path:
        """Return the folder of the server's socket.

        A socket's path may have 107 bytes, and this folder any length: hence a short name in /tmp. The secret is
        part of it, so that a folder that was removed and made again never meets the old one's server.
        """
        digest = hashlib.sha256(f"{self.path}\0{self.password()}".encode()).hexdigest()
        return Path(f"/tmp/imageflow-{self.path.stat().st_uid}-{digest[:16]}")  # noqa: S108 - TMPDIR differs by process

    def socket(self) -> Path:
        """Return the path of the Unix socket on which the server listens."""
        return self.socket_folder() / _SOCKET_NAME

    def owner(self) -> int | None:
        """Return the account that the server runs as, or None before its data is made."""
        try:
            return self.data.stat().st_uid
        except FileNotFoundError:
            return None


def check_socket_folder(folder: Path, owner: int) -> None:
    """Refuse a socket folder that another account could have laid out; every account may write to /tmp."""
    found = folder.lstat()
    if not os.path.isdir(folder) or os.path.islink(folder) or found.st_uid != owner or found.st_mode & 0o077:  # noqa: PTH112,PTH114
        raise DatabaseUnavailable(
            f"'{folder}' is not a private folder of this database's account: remove it, then try again."
        )


def open_lock(path: Path) -> int:
    """Open a lock file, making it if need be; the caller closes it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, mode: int) -> bool:
    """Take a lock if it is free now. `mode` is `fcntl.LOCK_SH` or `fcntl.LOCK_EX`."""
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_within(descriptor: int, mode: int, seconds: float) -> bool:
    """Take a lock, waiting for at most `seconds`."""
    deadline = time.monotonic() + seconds
    while not try_lock(descriptor, mode):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def is_linked(descriptor: int, path: Path) -> bool:
    """Whether an open lock file is still the one that others find under its name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


@contextmanager
def exclusive(path: Path, seconds: float) -> Iterator[bool]:
    """Hold a lock file exclusively for a `with` block; yields whether it was to be had within `seconds`."""
    descriptor = open_lock(path)
    try:
        yield lock_within(descriptor, fcntl.LOCK_EX, seconds)
    finally:
        os.close(descriptor)
