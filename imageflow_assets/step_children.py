"""The child processes of a run's worker: started when they are needed, warm between steps, gone with the worker.

They are forked by a process that has imported the definitions and nothing else: it has no threads whose locks a fork
would copy.
"""

import os
import pickle
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Self

import dagster as dg
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.plan.step import ExecutionStep

from imageflow_assets import step_child
from imageflow_assets.step_child import RunWork
from imageflow_assets.step_hosts import Ended, Lost, News

_FORKSERVER = get_context("forkserver")
_ONE_BY_ONE = threading.Lock()
_LEAVE_S = 10.0
"""Until when a child that has nothing to do must be gone; it may have logs to write."""

_DYING_S = 1.0
"""From a child's last word to its end."""


class StepChildren:
    """Executes steps of one run in child processes. A context manager: at its end none is left."""

    def __init__(self, work: RunWork) -> None:
        self._work = work
        self._children: list[_Child] = []
        module = work.job.get_module()
        _FORKSERVER.set_forkserver_preload([step_child.__name__, *([module] if module else [])])

    def begin(self, step: ExecutionStep, known_state: KnownExecutionState) -> None:
        """Have a step executed, by a child that is idle or by another one."""
        child = next((child for child in self._children if child.step_key is None), None)
        if child is None:
            child = _Child(self._work)
            self._children.append(child)
        child.begin(step.key, known_state)

    def news(self, timeout_s: float) -> Iterator[tuple[str, News]]:
        """Yield the events of the children's steps, or nothing after a while.

        `Ended` and `Lost` are the last of a step.
        """
        if not self._children:
            time.sleep(timeout_s)
            return
        speaking = wait([child.pipe for child in self._children], timeout_s)
        for child in [child for child in self._children if child.pipe in speaking]:
            step_key = child.step_key
            news = child.hear()
            if isinstance(news, Lost):
                self._children.remove(child)
            if step_key is None:
                continue
            if isinstance(news, Ended):
                yield from ((step_key, event) for event in news.events)
            yield step_key, news

    def interrupt(self, patience_s: float) -> Iterator[dg.DagsterEvent]:
        """End all steps: let children raise in them, and kill those that are not done in time."""
        deadline = time.monotonic() + patience_s
        for child in self._children:
            if child.step_key is not None:
                child.signal(signal.SIGINT)
        while any(child.step_key is not None for child in self._children) and time.monotonic() < deadline:
            for _, news in self.news(max(0.0, deadline - time.monotonic())):
                if isinstance(news, dg.DagsterEvent):
                    yield news
        self._end_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            for child in self._children:
                child.dismiss()
            deadline = time.monotonic() + _LEAVE_S
            for child in self._children:
                child.wait(max(0.0, deadline - time.monotonic()))
        self._end_all()

    def _end_all(self) -> None:
        children, self._children = self._children, []
        for child in children:
            child.signal(signal.SIGKILL)
        for child in children:
            child.end()


class _Child:
    """One process. It starts on a thread of its own, so that the worker's thread can react to a cancellation."""

    def __init__(self, work: RunWork) -> None:
        self.step_key: str | None = None
        self.pipe, other = _FORKSERVER.Pipe()
        self._process = _FORKSERVER.Process(
            target=step_child.serve, args=(other, work, os.getpid()), name="imageflow-run-step"
        )
        self._pid_fd: int | None = None
        self._starting = threading.Thread(target=self._start, args=(other,), name="start-child", daemon=True)
        self._starting.start()

    def _start(self, other: Connection) -> None:
        # Where it fails, the pipe's other end is closed, which the worker takes for a child that died.
        with other, suppress(OSError, EOFError), _ONE_BY_ONE:
            self._process.start()
            # identifies the process, even if the fork server, its parent, was killed
            self._pid_fd = os.pidfd_open(self._process.pid or 0)

    def begin(self, step_key: str, known_state: KnownExecutionState) -> None:
        self.step_key = step_key
        with suppress(OSError):  # it died; its pipe says so
            self.pipe.send_bytes(pickle.dumps((step_key, known_state)))

    def hear(self) -> News:
        """Return the next that the child says."""
        try:
            news: dg.DagsterEvent | Ended = self.pipe.recv()
        except (EOFError, OSError):
            self.wait(_DYING_S)
            self.end()
            return Lost(why=_why(self._process.pid, self._process.exitcode))
        if isinstance(news, Ended):
            self.step_key = None
        return news

    def signal(self, number: signal.Signals) -> None:
        if self._pid_fd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pid_fd, number)

    def dismiss(self) -> None:
        """Let the process end by itself, as it does when its pipe is closed."""
        self.pipe.close()

    def wait(self, timeout_s: float) -> None:
        if self._pid_fd is not None:
            select.select([self._pid_fd], [], [], timeout_s)

    def end(self) -> None:
        """Kill the process and wait until it is gone; one that is still starting ends when it finds the pipe closed."""
        self.signal(signal.SIGKILL)
        self.pipe.close()
        if self._pid_fd is not None:
            self.wait(_LEAVE_S)
            os.close(self._pid_fd)
            self._pid_fd = None
            self._process.join(_LEAVE_S)


def _why(pid: int | None, exit_status: int | None) -> str:
    """Say how a child ended that gave no result.

    Args:
        pid: `None` where it never began.
        exit_status: Below zero: the signal that killed it.
    """
    if exit_status is not None and exit_status < 0:
        return (
            f"The step's process {pid} was killed by signal {-exit_status}, perhaps for want of memory: give the "
            "machine more memory, or the step's pool fewer slots."
        )
    return f"The step's process {pid} ended without a result (status {exit_status}): the run's logs say why."
