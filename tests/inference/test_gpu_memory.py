"""Memory of graphics cards, by a stand-in for their driver's library: the machines that test have no card."""

import os
from typing import Any

import pytest

from imageflow_clients.inference import gpu_memory


class Driver:
    """Two cards; processes by card."""

    def __init__(self, *cards: list[tuple[int, int]]) -> None:
        self._cards = cards

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802 - the library's name
        count._obj.value = len(self._cards)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, card: Any) -> int:  # noqa: N802 - the library's name
        card._obj.value = index.value + 1
        return 0

    def nvmlDeviceGetComputeRunningProcesses_v3(self, card: Any, count: Any, found: Any) -> int:  # noqa: N802 - the library's name
        processes = self._cards[card.value - 1]
        if found is None:
            count._obj.value = len(processes)
            return 7 if processes else 0
        for place, (pid, size) in enumerate(processes):
            found[place].pid, found[place].bytes = pid, size
        count._obj.value = len(processes)
        return 0


@pytest.mark.parametrize(
    ("cards", "held"),
    [
        ([[(os.getpid(), 300), (1, 7)], []], 300),
        ([[(os.getpid(), 300)], [(os.getpid(), 40)]], 340),
        ([[(1, 7)]], None),
        ([[(os.getpid(), 2**64 - 1)]], None),
        ([], None),
    ],
)
def test_only_the_memory_of_this_process_counts(
    cards: list[list[tuple[int, int]]], held: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_memory, "_library", lambda: Driver(*cards))
    assert gpu_memory.gpu_memory_bytes() == held
