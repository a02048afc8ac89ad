"""Processes that a test has started, apart from those that this process had before: a running stack, servers."""

import psutil

_BEFORE: set[int] = set()


def remember() -> None:
    """Leave out from now on what is running now, and all that it will start."""
    _BEFORE.clear()
    _BEFORE.update(process.pid for process in psutil.Process().children())


def own_children() -> list[psutil.Process]:
    """Return every process that was started since, children of children too."""
    started = [process for process in psutil.Process().children() if process.pid not in _BEFORE]
    return [*started, *(below for process in started if process.is_running() for below in _below(process))]


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
