"""Processes for long steps: answers and errors travel, what is cancelled is killed, nothing outlives its parent."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from imageflow_clients.step_process import StepProcesses
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, InvalidInput, StepDied
from imageflow_domain.step_scope import LogLine, StepScope, entered


class Awkward(Exception):
    """Cannot be made again from its words."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def own_id() -> int:
    return os.getpid()


def refuse() -> None:
    raise InvalidInput("The picture shows nothing: take it again.")


def be_awkward() -> None:
    raise Awkward(1, 2)


def say_and_hold(mebibytes: int) -> int:
    logging.getLogger("component").warning("holds %d MiB", mebibytes)
    logging.getLogger("component").debug("is not kept")
    return len(bytes(mebibytes * 2**20))


def say_and_refuse() -> None:
    logging.getLogger("component").info("looks at it")
    refuse()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def processes() -> Iterator[StepProcesses]:
    with StepProcesses() as processes:
        yield processes


def _ended(pid: int) -> bool:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_one_process_answers_one_call_after_the_other(processes: StepProcesses) -> None:
    first = processes.call(own_id, cancellation=Cancellation())
    assert first != os.getpid()
    assert processes.call(own_id, cancellation=Cancellation()) == first


def test_what_a_function_raises_is_raised_here_and_the_process_goes_on(processes: StepProcesses) -> None:
    first = processes.call(own_id, cancellation=Cancellation())
    with pytest.raises(InvalidInput, match="take it again"):
        processes.call(refuse, cancellation=Cancellation())
    with pytest.raises(RuntimeError, match="Awkward: 1 and 2"):
        processes.call(be_awkward, cancellation=Cancellation())
    assert processes.call(own_id, cancellation=Cancellation()) == first


def test_a_process_that_dies_is_told_and_replaced(processes: StepProcesses) -> None:
    with pytest.raises(StepDied, match="exit status -9"):
        processes.call(die, cancellation=Cancellation())
    idle = processes.call(own_id, cancellation=Cancellation())
    os.kill(idle, signal.SIGKILL)
    assert _ended(idle)
    assert processes.call(own_id, cancellation=Cancellation()) not in (idle, os.getpid())


def test_what_is_cancelled_is_killed_at_once(processes: StepProcesses) -> None:
    busy = processes.call(own_id, cancellation=Cancellation())
    switch = Cancellation()
    threading.Timer(0.3, switch.cancel, ("No longer wanted.",)).start()
    begun_s = time.monotonic()
    with pytest.raises(Cancelled, match="No longer wanted"):
        processes.call(time.sleep, 600, cancellation=switch)
    assert time.monotonic() - begun_s < 10
    assert _ended(busy)


def test_what_was_cancelled_before_is_not_begun(processes: StepProcesses) -> None:
    switch = Cancellation()
    switch.cancel()
    with pytest.raises(Cancelled):
        processes.call(own_id, cancellation=switch)


def test_threads_call_at_once(processes: StepProcesses) -> None:
    found: list[int] = []

    def call() -> None:
        processes.call(time.sleep, 0.5, cancellation=Cancellation())
        found.append(processes.call(own_id, cancellation=Cancellation()))

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3


def test_they_end_when_nobody_needs_them_any_more() -> None:
    with StepProcesses() as processes:
        pid = processes.call(own_id, cancellation=Cancellation())
    assert _ended(pid)


_PARENT = """
import time
from imageflow_clients.step_process import StepProcesses
from imageflow_domain.cancellation import Cancellation
import os
if __name__ == "__main__":
    with StepProcesses() as processes:
        print(processes.call(os.getpid, cancellation=Cancellation()), flush=True)
        time.sleep(600)
"""


def test_they_end_when_their_parent_is_killed(tmp_path_factory: pytest.TempPathFactory) -> None:
    script = tmp_path_factory.mktemp("parent") / "parent.py"
    script.write_text(_PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert _ended(child)


def test_what_is_logged_and_used_comes_back_to_the_step(processes: StepProcesses) -> None:
    lines: list[LogLine] = []
    scope = StepScope(lines.append)
    with entered(scope):
        assert processes.call(say_and_hold, 64, cancellation=Cancellation()) == 64 * 2**20
    assert [(line.level, line.text) for line in lines] == [("warning", "holds 64 MiB")]
    assert scope.used.cpu_s is not None
    assert scope.used.cpu_s > 0
    assert scope.used.peak_memory_bytes is not None
    assert scope.used.peak_memory_bytes > 64 * 2**20


def test_what_a_step_that_refuses_logged_and_used_comes_back_as_well(processes: StepProcesses) -> None:
    lines: list[LogLine] = []
    scope = StepScope(lines.append)
    with entered(scope), pytest.raises(InvalidInput):
        processes.call(say_and_refuse, cancellation=Cancellation())
    assert [line.text for line in lines] == ["looks at it"]
    assert scope.used.cpu_s is not None
