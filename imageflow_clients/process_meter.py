"""Processor time and memory of this process, read from Linux's /proc."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from typing_extensions import override

from imageflow_domain.resource_use import ResourceUse
from imageflow_domain.step_scope import Meter, StepScope

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_TASKS = Path("/proc/self/task")
_RESET_PEAK = b"5"


class _Span:
    """A time during which the peak is wanted."""

    def __init__(self) -> None:
        self.peak_bytes = 0


class PeakMemory:
    """The greatest resident memory of this process during each of several times that may overlap.

    Linux keeps one peak for a process. It is read and begun anew whenever a time begins.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: set[_Span] = set()

    def begin(self) -> _Span:
        """Return a time that begins now."""
        span = _Span()
        with self._lock:
            if self._spans:
                self._note()
            self._spans.add(span)
            _RESET.write_bytes(_RESET_PEAK)
        return span

    def end(self, span: _Span) -> int:
        """Return the peak of a time that ends now, in bytes."""
        with self._lock:
            self._note()
            self._spans.remove(span)
        return span.peak_bytes

    def _note(self) -> None:
        peak_bytes = _peak_bytes()
        for span in self._spans:
            span.peak_bytes = max(span.peak_bytes, peak_bytes)


class ProcessMeter(Meter):
    """Measures steps in this process.

    Args:
        clock: The processor time of what is a step's own: of its thread, by default. A process that does one step at a
            time takes `time.process_time`, which counts the threads of libraries as well.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._memory = PeakMemory()

    @override
    @contextmanager
    def measuring(self, scope: StepScope) -> Iterator[None]:
        span, begun_s = self._memory.begin(), self._clock()
        try:
            yield
        finally:
            spent_s = self._clock() - begun_s
            scope.use(ResourceUse(cpu_s=spent_s, peak_memory_bytes=self._memory.end(span)))


def thread_ids() -> frozenset[int]:
    """Return the system's ids of all threads of this process."""
    return frozenset(int(task.name) for task in _TASKS.iterdir())


def threads_cpu_s(threads: Iterable[int]) -> float:
    """Return the processor time of threads of this process since they began; of none that has ended."""
    return sum(map(_thread_cpu_s, threads))


def _thread_cpu_s(thread: int) -> float:
    try:
        return int((_TASKS / str(thread) / "schedstat").read_bytes().split()[0]) / 1e9
    except FileNotFoundError:
        return 0.0


def _peak_bytes() -> int:
    line = next(line for line in _STATUS.read_bytes().splitlines() if line.startswith(b"VmHWM:"))
    return int(line.split()[1]) * 1024
