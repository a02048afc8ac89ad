"""What a step used of the machine."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ResourceUse:
    """Processor time and memory; `None` is not known, as of a process that was killed."""

    cpu_s: float | None = None
    """Processor time of the step's thread, or of its process where it has one of its own."""
    peak_memory_bytes: int | None = None
    """Greatest resident memory of the process while the step ran in it, other work included."""
    gpu_memory_bytes: int | None = None
    """Memory of graphics cards that the process held after the step's last use of one."""

    def __add__(self, other: "ResourceUse") -> "ResourceUse":
        """Return what both used: the sum of processor times, the greater of memories."""
        times = [each for each in (self.cpu_s, other.cpu_s) if each is not None]
        return ResourceUse(
            cpu_s=sum(times) if times else None,
            peak_memory_bytes=_greater(self.peak_memory_bytes, other.peak_memory_bytes),
            gpu_memory_bytes=_greater(self.gpu_memory_bytes, other.gpu_memory_bytes),
        )

    def to_data(self) -> dict[str, Any]:
        """Return what is known, as JSON has it."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "ResourceUse":
        """Return the use that `to_data` gave; fields of other versions are left out."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})


def total(uses: Iterable[ResourceUse]) -> ResourceUse:
    """Return what all of them used together."""
    return sum(uses, ResourceUse())


def _greater(one: int | None, other: int | None) -> int | None:
    known = [each for each in (one, other) if each is not None]
    return max(known) if known else None
