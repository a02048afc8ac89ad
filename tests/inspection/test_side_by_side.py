"""Pictures are judged side by side only as far as the cores and the memory of this process go."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock, Thread
from typing import Any

import pytest

from imageflow_clients.stores import Stores
from imageflow_inspection import inspect_batch as inspecting
from imageflow_inspection.byte_budget import ByteBudget
from imageflow_inspection.inspect_batch import inspect_batch
from tests.inspection.lids import lid, published, taken


class Together:
    """Counts who is at it at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._now = 0
        self.most = 0

    @contextmanager
    def counted(self, weight: int = 1) -> Iterator[None]:
        with self._lock:
            self._now += weight
            self.most = max(self.most, self._now)
        time.sleep(0.05)
        try:
            yield
        finally:
            with self._lock:
                self._now -= weight


class Counted:
    """The objects of a store, whose writers are counted: each picture that fails is drawn once."""

    def __init__(self, objects: Any, together: Together) -> None:
        self._objects = objects
        self._together = together

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def put(self, key: str, data: bytes) -> None:
        with self._together.counted():
            self._objects.put(key, data)


def judged_at_once(stores: Stores, threads: int | None) -> int:
    """Inspect eight pictures, and return how many of them were at their end at once."""
    published(stores)
    batch = taken(stores, "b1", [lid(spots=1)] * 8)
    together = Together()
    inspect_batch(replace(stores, objects=Counted(stores.objects, together)), batch.id, threads=threads)  # type: ignore[arg-type]
    return together.most


def test_small_pictures_are_judged_side_by_side(stores: Stores) -> None:
    assert judged_at_once(stores, threads=4) > 1


def test_pictures_that_need_all_memory_are_judged_one_after_the_other(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspecting, "_MOST_BYTES", 240 * 200 * 3)  # one of these pictures, decoded
    assert judged_at_once(stores, threads=4) == 1


def test_a_process_that_may_use_one_core_judges_one_picture_at_a_time(stores: Stores) -> None:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert judged_at_once(stores, threads=None) == 1
    finally:
        os.sched_setaffinity(0, cores)


def test_threads_hold_no_more_bytes_than_there_are_and_one_that_wants_more_goes_alone() -> None:
    budget, together = ByteBudget(100), Together()

    def work(wanted_bytes: int) -> None:
        with budget.holding(wanted_bytes), together.counted(min(wanted_bytes, 100)):
            pass

    threads = [Thread(target=work, args=(wanted,)) for wanted in (60, 30, 500, 40, 100, 10, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert 60 <= together.most <= 100
