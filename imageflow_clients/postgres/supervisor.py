"""The process that owns one server: makes its data, starts it, and stops it once no client is left.

Started by `embedded_postgres`. It uses the standard library alone, so that it is up in a few hundredths of a second.
Its first process ends when the server takes connections (exit code 0) or cannot be started (one sentence on standard
error, exit code 1); the second one stays as the server's parent, which dies with it.
"""

import argparse
import errno
import fcntl
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from imageflow_clients.postgres.account import Account, server_account
from imageflow_clients.postgres.layout import (
    ROLE,
    ServerFolder,
    check_socket_folder,
    is_linked,
    lock_within,
    open_lock,
    try_lock,
)
from imageflow_clients.postgres.leftovers import end_leftovers
from imageflow_domain.errors import DatabaseUnavailable

_READY = b"ready"
_START_S = 60.0
_POLL_S = 0.01
_WATCH_S = 0.5
_LOG_LIMIT_BYTES = 1_000_000
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "huge_pages": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "64MB",
    "max_wal_size": "256MB",
    "io_method": "sync",  # no processes of its own for reading ahead
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",  # would need /dev/shm, which containers keep small
    "jit": "off",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
}
# Children of a killed server hold its memory for a moment; a server of a killed supervisor ends a moment after it.
_PASSING = re.compile(r"shared memory block|lock file .* already exists|could not (?:lock|bind)|Is another postmaster")


def main(arguments: list[str] | None = None) -> int:
    """Start a server and detach; return the exit code of the first process."""
    parser = argparse.ArgumentParser(description="Own the embedded PostgreSQL of one folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("programs", type=Path, help="folder of the programs postgres and initdb")
    parser.add_argument("--idle", type=float, required=True, help="seconds without a client before it stops")
    options = parser.parse_args(arguments)
    read_end, write_end = os.pipe()
    if os.fork():
        os.close(write_end)
        with os.fdopen(read_end, "rb") as reader:
            answer = reader.read()
        if answer != _READY:
            sys.stderr.write(answer.decode() or "The process that starts PostgreSQL was killed: try again.")
        return 0 if answer == _READY else 1
    os.close(read_end)
    return _own(ServerFolder(options.folder), options.programs, options.idle, write_end)


def _own(folder: ServerFolder, programs: Path, idle_s: float, report: int) -> int:
    try:
        log = _open_log(folder)
        for descriptor in (0, 1, 2):
            os.dup2(log.fileno(), descriptor)
        # Taken synchronously by `sigtimedwait`, so that nothing happens halfway through a step.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
        supervisor = Supervisor(folder, programs, log)
        supervisor.start()
    except DatabaseUnavailable as error:
        _report(report, str(error).encode())
        return 1
    except OSError as error:
        _report(report, _explain(folder, f"{error.strerror}: '{error.filename}'", error.errno).encode())
        return 1
    _report(report, _READY)
    supervisor.watch(idle_s)
    return 0


def _report(report: int, message: bytes) -> None:
    # The one who asked may be gone; the server is for others as well.
    with suppress(BrokenPipeError):
        os.write(report, message)
    os.close(report)


class Supervisor:
    """Parent of one server."""

    def __init__(self, folder: ServerFolder, programs: Path, log: BinaryIO) -> None:
        self._folder = folder
        self._programs = programs
        self._log = log
        self._lock = open_lock(folder.supervisor_lock)
        if not lock_within(self._lock, fcntl.LOCK_EX, _START_S / 2):
            raise DatabaseUnavailable(
                f"Another process owns the database in '{folder.path}' and does not answer here: "
                f"end process {folder.supervisor_lock.read_text()} and try again."
            )
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)
        self._clients = open_lock(folder.clients_lock)
        self._account = server_account(folder, programs)
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once the server takes connections; raise `DatabaseUnavailable` where it cannot."""
        if self._folder.owner() is None:
            self._make_data()
        self._make_socket_folder()
        deadline = time.monotonic() + _START_S
        while True:
            end_leftovers(self._folder, deadline)
            begin = self._log.seek(0, os.SEEK_END)
            self._server = self._launch(deadline)
            if self._server is not None:
                return
            said = _read_from(self._folder.log, begin)
            if not _PASSING.search(said) or time.monotonic() > deadline:
                raise DatabaseUnavailable(_explain(self._folder, _last_complaint(said)))
            time.sleep(10 * _POLL_S)

    def watch(self, idle_s: float) -> None:
        """Return when the server has ended: by itself, when told to, or `idle_s` after its last client."""
        assert self._server is not None  # noqa: S101 - `start` comes first
        idle_since: float | None = None
        while self._server.poll() is None:
            got = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM}, _WATCH_S)
            is_stopped = got is not None and got.si_signo == signal.SIGTERM
            if not is_linked(self._clients, self._folder.clients_lock):
                self._stop(self._server, orderly=False)  # the folder is being removed: write nothing more
            elif is_stopped or not any(self._sockets.glob(".s.PGSQL.*")):
                self._stop(self._server)  # also where somebody tidied up /tmp
            elif not try_lock(self._clients, fcntl.LOCK_EX):
                idle_since = None
            else:
                now = time.monotonic()
                idle_since = now if idle_since is None else idle_since
                if now - idle_since >= idle_s:
                    # With the lock held: who comes now waits, then starts a fresh server.
                    self._stop(self._server)
                else:
                    fcntl.flock(self._clients, fcntl.LOCK_UN)

    def _make_data(self) -> None:
        """Make the data under a name that nobody looks for, and give them theirs once they are whole."""
        making = self._folder.path / "data.new"
        shutil.rmtree(making, ignore_errors=True)
        try:
            making.mkdir(mode=0o700)
            password_file, made = making / self._folder.secret.name, making / "data"
            _write_private(password_file, secrets.token_hex(32), self._account)
            made.mkdir(mode=0o700)
            for path in (making, made):
                os.chown(path, self._account.uid, self._account.gid)
            self._initdb(made, password_file)
            password_file.rename(made / password_file.name)
            made.rename(self._folder.data)
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _initdb(self, data: Path, password_file: Path) -> None:
        # The password is random and long: rounds that slow down guessing would only slow down connecting.
        command = [
            str(self._programs / "initdb"),
            *("-D", str(data), "-U", ROLE, f"--pwfile={password_file}"),
            *("--auth-local=scram-sha-256", "--auth-host=reject", "-c", "scram_iterations=1"),
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
        ]
        done = subprocess.run(
            command,
            preexec_fn=self._become_server_account,
            cwd="/",
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise DatabaseUnavailable(_explain(self._folder, _last_complaint(done.stderr)))

    def _make_socket_folder(self) -> None:
        self._sockets = self._folder.socket_folder()
        try:
            self._sockets.mkdir(mode=0o700)
        except FileExistsError:
            mine = self._sockets.lstat().st_uid == os.geteuid()
            check_socket_folder(self._sockets, os.geteuid() if mine else self._account.uid)
        os.chown(self._sockets, self._account.uid, self._account.gid)

    def _launch(self, deadline: float) -> "subprocess.Popen[bytes] | None":
        """Return the server once it is ready, or None when it ended."""
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        server = subprocess.Popen(
            [self._programs / "postgres", "-D", self._folder.data, "-k", self._sockets, *settings],
            preexec_fn=self._become_server_account,
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        while server.poll() is None:
            if _is_ready(self._folder, server.pid):
                return server
            if time.monotonic() > deadline:
                self._stop(server)
                raise DatabaseUnavailable(
                    f"PostgreSQL did not get ready within {_START_S:.0f} s: try again; its log is '{self._folder.log}'."
                )
            time.sleep(_POLL_S)
        return None

    def _become_server_account(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        # SIGQUIT ends a server at once, with all its children; the next start recovers from its log.
        self._account.enter(signal.SIGQUIT)

    def _stop(self, server: "subprocess.Popen[bytes]", *, orderly: bool = True) -> None:
        steps = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
        for stop_signal, patience_s in steps if orderly else steps[1:]:
            server.send_signal(stop_signal)
            try:
                server.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
            break
        shutil.rmtree(self._sockets, ignore_errors=True)


def _open_log(folder: ServerFolder) -> BinaryIO:
    if folder.log.exists() and folder.log.stat().st_size > _LOG_LIMIT_BYTES:
        folder.log.rename(folder.log.with_suffix(".log.1"))
    descriptor = os.open(folder.log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "r+b", buffering=0)


def _environment() -> dict[str, str]:
    """Nothing of the caller's: the server outlives it, and others will share it."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _write_private(path: Path, text: str, account: Account) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    os.chown(path, account.uid, account.gid)


def _is_ready(folder: ServerFolder, pid: int) -> bool:
    try:
        lines = folder.pid_file.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _read_from(path: Path, begin: int) -> str:
    with path.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace")


def _last_complaint(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    complaints = [line for line in lines if re.search(r"FATAL|PANIC|error:", line)]
    chosen = (complaints or lines or ["it said nothing"])[-1]
    return re.sub(r"^(?:.*?(?:FATAL|PANIC|error)|initdb):\s*", "", chosen)


def _explain(folder: ServerFolder, reason: str, number: int | None = None) -> str:
    if number in {errno.ENOSPC, errno.EDQUOT} or "No space left" in reason or "Disk quota" in reason:
        return (
            f"The disk that holds '{folder.path}' is full, so PostgreSQL cannot run: free some space, then try again."
        )
    return f"PostgreSQL cannot run in '{folder.path}': {reason}. Its log is '{folder.log}'."


if __name__ == "__main__":
    sys.exit(main())
