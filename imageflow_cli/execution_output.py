"""The steps of an execution as a table, and as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imageflow_cli.console import print_table
from imageflow_domain.resource_use import ResourceUse

if TYPE_CHECKING:
    from imageflow.client import Execution


def print_steps(done: "Execution") -> None:
    """Print what each step did, how long it took, and what it used."""
    print_table(("step", "status", "time", "processor", "memory"), _rows(done))


def steps_as_json(done: "Execution") -> list[dict[str, Any]]:
    """Return the same as JSON."""
    return [
        {"step": step.step, "status": step.status, "seconds": step.seconds, "resources": step.resources.to_data()}
        for step in done.steps
    ]


def _rows(done: "Execution") -> Sequence[tuple[str, ...]]:
    return [(step.step, step.status, f"{step.seconds * 1000:.2f} ms", *_used(step.resources)) for step in done.steps]


def _used(resources: ResourceUse) -> tuple[str, str]:
    cpu_s, memory = resources.cpu_s, resources.peak_memory_bytes
    return (
        "" if cpu_s is None else f"{cpu_s * 1000:.2f} ms",
        "" if memory is None else f"{memory / 2**20:.0f} MiB",
    )
