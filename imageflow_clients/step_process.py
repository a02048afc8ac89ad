"""Processes in which long steps run, so that a cancelled one can be killed at any point.

Nothing here knows what a step is: any function travels by pickle. What it logs comes back line by line, what it used
together with its answer. Processes are kept warm, and end with their parent.
"""

import pickle
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self, cast

from typing_extensions import override

from imageflow_clients.process_meter import ProcessMeter
from imageflow_clients.step_logging import step_logging
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import StepDied
from imageflow_domain.isolation import Isolation, Result
from imageflow_domain.resource_use import ResourceUse
from imageflow_domain.step_scope import LogLine, StepScope, current_scope, entered

# Forking a process that has threads may copy a lock that is never released.
_SPAWN = get_context("spawn")
KEPT = 2
"""Idle processes that are not ended; each holds some 100 MB."""


class StepProcesses(Isolation):
    """Isolation by processes of this machine. A context manager."""

    def __init__(self, *, kept: int = KEPT) -> None:
        """Start none yet.

        Args:
            kept: Idle processes that are not ended.
        """
        self._kept = kept
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []

    @override
    def call(self, function: Callable[..., Result], *arguments: Any, cancellation: Cancellation) -> Result:
        worker, scope = self._take(), current_scope() or StepScope()
        try:
            with cancellation.interrupting(worker.kill):
                done, answer = worker.ask(function, arguments, scope)
        except (EOFError, OSError) as error:
            worker.end()
            cancellation.check()
            raise StepDied(
                f"The process of a step ended without an answer (exit status {worker.exit_status}), perhaps for want "
                "of memory: try again, or use smaller pictures."
            ) from error
        except BaseException:
            worker.end()
            raise
        if cancellation.is_cancelled:  # it may be killed any moment
            worker.end()
        else:
            self._give_back(worker)
        if not done:
            raise cast("Exception", answer)
        return cast("Result", answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the processes that wait. Those that work end when they have answered."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    def _take(self) -> "_Worker":
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                return _Worker()
            if worker.is_alive:
                return worker
            worker.end()

    def _give_back(self, worker: "_Worker") -> None:
        with self._lock:
            keep = worker.is_alive and len(self._idle) < self._kept
            if keep:
                self._idle.append(worker)
        if not keep:
            worker.end()


class _Worker:
    """One process that answers one call after the other."""

    def __init__(self) -> None:
        self._pipe, other = _SPAWN.Pipe()
        # A daemon's death with its parent is for the parent to see to; the closed pipe ends it even after a SIGKILL.
        self._process = _SPAWN.Process(target=_serve, args=(other,), name="imageflow-step", daemon=True)
        self._process.start()
        other.close()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def exit_status(self) -> int | None:
        return self._process.exitcode

    def ask(self, function: Callable[..., Any], arguments: tuple[Any, ...], scope: StepScope) -> tuple[bool, Any]:
        """Return whether the function returned, and what it returned or raised. Raises `EOFError` if it ended."""
        self._pipe.send_bytes(pickle.dumps((function, arguments), protocol=pickle.HIGHEST_PROTOCOL))
        while True:
            match pickle.loads(self._pipe.recv_bytes()):  # noqa: S301 - our own child wrote it
                case LogLine() as line:
                    scope.log(line)
                case ResourceUse() as used:
                    scope.use(used)
                case (done, answer):
                    return done, answer

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        """Kill the process and wait until it is gone."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection) -> None:
    """Answer calls until the other end is closed."""
    # Ctrl-C reaches every process of a terminal; what becomes of this one is for its parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    writing, meter = threading.Lock(), ProcessMeter(time.process_time)

    def send(message: bytes) -> None:
        with writing:  # components may log from threads
            pipe.send_bytes(message)

    with suppress(EOFError, OSError), step_logging():  # the parent is gone
        while True:
            function, arguments = pickle.loads(pipe.recv_bytes())  # noqa: S301 - our own parent wrote it
            scope = StepScope(lambda line: send(pickle.dumps(line)))
            with entered(scope), meter.measuring(scope):
                answer = _answer(function, arguments)
            send(pickle.dumps(scope.used))
            send(answer)


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps((True, function(*arguments)), protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - it is raised again on the other side
        return _as_bytes(error)


def _as_bytes(error: Exception) -> bytes:
    """Return an exception as the answer; as text where it cannot be pickled."""
    try:
        data = pickle.dumps((False, error))
        pickle.loads(data)  # noqa: S301 - written a line above
    except Exception:  # noqa: BLE001 - an exception's class may raise anything when it is copied
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return data
