"""Memory of NVIDIA graphics cards that this process holds, as their driver's library (NVML) counts it."""

import ctypes
import os
from functools import cache
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"
_DONE = 0
_TOO_SMALL = 7
_UNKNOWN = 2**64 - 1


class _Process(ctypes.Structure):
    """`nvmlProcessInfo_t` of the second version."""

    _fields_ = (
        ("pid", ctypes.c_uint),
        ("bytes", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    )


def gpu_memory_bytes() -> int | None:
    """Return how many bytes on all cards this process holds; `None` where the driver does not say.

    It does not in a container whose process numbers are not those of the machine.
    """
    library = _library()
    if library is None:
        return None
    count = ctypes.c_uint()
    if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != _DONE:
        return None
    held = [used for index in range(count.value) for used in _held(library, index)]
    return sum(held) if held else None


@cache
def _library() -> Any | None:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    return library if library.nvmlInit_v2() == _DONE else None


def _held(library: Any, index: int) -> list[int]:
    """Return what this process holds on a card: nothing, or one number."""
    card = ctypes.c_void_p()
    if library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(card)) != _DONE:
        return []
    count = ctypes.c_uint(0)
    if library.nvmlDeviceGetComputeRunningProcesses_v3(card, ctypes.byref(count), None) not in (_DONE, _TOO_SMALL):
        return []
    processes = (_Process * max(count.value + 4, 8))()  # others may begin meanwhile
    count = ctypes.c_uint(len(processes))
    if library.nvmlDeviceGetComputeRunningProcesses_v3(card, ctypes.byref(count), processes) != _DONE:
        return []
    own = [each for each in processes[: count.value] if each.pid == os.getpid()]
    return [int(each.bytes) for each in own if each.bytes != _UNKNOWN]
