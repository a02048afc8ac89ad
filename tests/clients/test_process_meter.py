"""What steps use of this process: their own thread's time, and the peak of memory while they run."""

import threading
import time

import numpy as np

from imageflow_clients.process_meter import PeakMemory, ProcessMeter, thread_ids, threads_cpu_s
from imageflow_domain.resource_use import ResourceUse
from imageflow_domain.step_scope import StepScope

_MIB = 2**20


def hold(mebibytes: int) -> None:
    np.ones(mebibytes * _MIB, np.uint8)


def work(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_the_peak_counts_for_every_time_in_which_it_was_reached_and_no_other() -> None:
    memory = PeakMemory()
    before, during = memory.begin(), memory.begin()
    peak_before = memory.end(before)
    hold(64)
    later = memory.begin()
    peak_later = memory.end(later)
    peak_during = memory.end(during)
    assert peak_during - peak_before > 60 * _MIB
    assert peak_during - peak_later > 60 * _MIB


def test_the_processor_time_of_a_step_is_that_of_its_thread() -> None:
    scope, meter = StepScope(), ProcessMeter()
    other = threading.Thread(target=work, args=(0.2,))
    other.start()
    with meter.measuring(scope):
        work(0.02)
        other.join()
    assert scope.used.cpu_s is not None
    assert 0.02 <= scope.used.cpu_s < 0.1


def test_a_process_with_one_step_counts_all_its_threads() -> None:
    scope, meter = StepScope(), ProcessMeter(time.process_time)
    with meter.measuring(scope):
        other = threading.Thread(target=work, args=(0.1,))
        other.start()
        other.join()
    assert scope.used.cpu_s is not None
    assert scope.used.cpu_s >= 0.1


def test_what_a_step_used_is_known_after_an_error() -> None:
    scope, meter = StepScope(), ProcessMeter()
    try:
        with meter.measuring(scope):
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert scope.used != ResourceUse()


def test_the_time_of_chosen_threads_is_read_and_ended_ones_have_none() -> None:
    before, go_on = thread_ids(), threading.Event()

    def run() -> None:
        work(0.05)
        go_on.wait()

    thread = threading.Thread(target=run)
    thread.start()
    own = thread_ids() - before
    until = time.monotonic() + 10
    while threads_cpu_s(own) < 0.05 and time.monotonic() < until:
        time.sleep(0.01)
    assert 0.05 <= threads_cpu_s(own) < 1
    go_on.set()
    thread.join()
    while own & thread_ids():
        time.sleep(0.01)
    assert threads_cpu_s(own) == 0
