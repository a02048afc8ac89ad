"""When the steps of a survey ran, as Dagster recorded it: what each layer of a survey took."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from imageflow_clients.settings import Settings
from imageflow_domain.survey import Layer


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """One step of a run of the map: a share of a layer, what plans or collects shares, or a layer without shares."""

    layer: Layer
    begin: float
    """Seconds since 1970."""
    end: float
    is_work: bool
    """Whether it does blocks, or a layer that has none; the others plan and collect."""


def steps_of(home: Path, survey: str) -> tuple[StepTime, ...]:
    """Return all steps of all runs of a survey.

    Args:
        home: Of the stack, or of the command line.
        survey: Its id.

    Raises:
        RuntimeError: Where a step has not ended.
    """
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    import dagster as dg

    from imageflow_resources.storage import load_instance
    from imageflow_surveys.runs import PARTITION_TAG

    found = []
    with load_instance(Settings(home=home)) as instance:
        for run in instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: survey})):
            for step in instance.get_run_step_stats(run.run_id):
                if step.start_time is None:
                    continue
                if step.end_time is None:
                    raise RuntimeError(f"Step {step.step_key} of '{survey}' has not ended.")
                layer, _, op = step.step_key.partition(".")
                is_work = not op or op.startswith(f"{layer}_share[")
                found.append(StepTime(layer=Layer(layer), begin=step.start_time, end=step.end_time, is_work=is_work))
    return tuple(found)


def seconds_of(home: Path, survey: str, layer: Layer, since: float = 0) -> float:
    """Return the seconds from the start of a layer's first step to the end of its last one.

    Args:
        home: As for `steps_of`.
        survey: Its id.
        layer: Whose steps count.
        since: Seconds since 1970 before which steps do not count.
    """
    steps = [step for step in steps_of(home, survey) if step.layer is layer and step.begin >= since]
    if not steps:
        raise RuntimeError(f"'{survey}' has no step of {layer}.")
    return max(step.end for step in steps) - min(step.begin for step in steps)


def event_log_bytes(home: Path) -> int:
    """Return the size of all events that Dagster has stored, indexes included.

    Args:
        home: As for `steps_of`.
    """
    from imageflow_resources.storage import load_instance

    with load_instance(Settings(home=home)) as instance, instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        return int(connection.execute(text("SELECT pg_total_relation_size('event_logs')")).scalar_one())


def windows_of(steps: Iterable[StepTime]) -> tuple[tuple[float, float], ...]:
    """Return when at least one of these steps ran: begin and end of each window, in order, none touching another."""
    windows: list[tuple[float, float]] = []
    for step in sorted(steps, key=lambda step: step.begin):
        begin, end = step.begin, step.end
        if windows and begin <= windows[-1][1]:
            begin, end = windows[-1][0], max(end, windows.pop()[1])
        windows.append((begin, end))
    return tuple(windows)


def covered_s(steps: Iterable[StepTime]) -> float:
    """Return for how long at least one of these steps ran."""
    return sum(end - begin for begin, end in windows_of(steps))
