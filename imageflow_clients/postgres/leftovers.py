"""What a killed server leaves behind: processes that still work in its data directory, and its pid file."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from imageflow_clients.postgres.layout import ServerFolder
from imageflow_domain.errors import DatabaseUnavailable

_PATIENCE_S = 3.0
_POLL_S = 0.02


def end_leftovers(folder: ServerFolder, deadline: float) -> None:
    """Leave no process at work in the data directory, and no pid file that would keep a server from starting.

    The caller must be the only one who starts servers there.

    Args:
        deadline: When to give up, by `time.monotonic`.
    """
    if not folder.pid_file.exists():
        return
    asked = killed = False
    since = time.monotonic()
    while processes := _at_work(folder.data):
        now = time.monotonic()
        if now > deadline:
            raise DatabaseUnavailable(
                f"A former server still works in '{folder.data}': end process {min(processes)}, then try again."
            )
        if not asked:
            asked = True
            _signal(processes, signal.SIGQUIT)
        elif not killed and now - since > _PATIENCE_S:
            # Nothing is lost: the next server recovers what was committed.
            killed = True
            _signal(processes, signal.SIGKILL)
        time.sleep(_POLL_S)
    if not _names_a_dead_process(folder.pid_file):
        # Cut short, or its number belongs to another program by now: PostgreSQL would always refuse to start.
        folder.pid_file.unlink(missing_ok=True)


def _names_a_dead_process(pid_file: Path) -> bool:
    """Whether PostgreSQL can judge a pid file by itself, which includes a look for shared memory still in use."""
    try:
        first = pid_file.read_text(errors="replace").partition("\n")[0]
    except FileNotFoundError:
        return True
    return first.isdigit() and not Path(f"/proc/{first}").exists()


def _at_work(data: Path) -> set[int]:
    """Return the processes of PostgreSQL whose working directory is `data`, which is where a server lives."""
    place = data.stat()
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(FileNotFoundError, ProcessLookupError):
            if (entry / "comm").read_text().strip() != "postgres":
                continue
            try:
                ours = os.path.samestat((entry / "cwd").stat(), place)
            except PermissionError:
                ours = _names(entry, data)
            if ours:
                found.add(int(entry.name))
    return found


def _names(process: Path, data: Path) -> bool:
    """Whether a process whose directory we may not see was started for `data`; its children carry no arguments."""
    command = (process / "cmdline").read_bytes().split(b"\0")
    return os.fsencode(data) in command


def _signal(processes: set[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)
