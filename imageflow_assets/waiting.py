"""The calls to Dagster around the rule of `imageflow_domain.work`.

Our rows say what is missing; Dagster is only asked which runs are at it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import dagster as dg

from imageflow_assets.runs import at_work, end_of, runs_by_tag
from imageflow_domain.work import WorkRun

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class Waiting(Generic[Row]):
    """A row that waits for a run, and what Dagster knows of it."""

    row: Row
    key: str
    """The value of the tag that its runs bear."""
    partition: str
    runs: tuple[dg.DagsterRun, ...] = ()
    """Those that bear the key, newest first."""
    is_busy: bool = False
    """Whether a run works on the partition, launched by any process."""

    @property
    def ends(self) -> tuple[WorkRun, ...]:
        """The runs as the rule takes them."""
        return tuple(WorkRun(id=run.run_id, end=end_of(run)) for run in self.runs)


def look(instance: dg.DagsterInstance, tag: str, read: Callable[[], Sequence[Waiting[Row]]]) -> Iterator[Waiting[Row]]:
    """Yield what waits, with its runs; Dagster is not asked where nothing does.

    What changes while Dagster is asked is left to the next tick: the run that changed it may have ended in between.

    Args:
        instance: Which one is asked.
        tag: The one that bears the keys.
        read: Reads the rows; called again once Dagster has answered.
    """
    before = read()
    if before:
        runs = runs_by_tag(instance, tag, {each.key for each in before})
        busy = at_work(instance, {each.partition for each in before})
        still = set(read())
        for each in before:
            if each in still:
                of_key = tuple(record.dagster_run for record in runs.get(each.key, ()))
                yield replace(each, runs=of_key, is_busy=each.partition in busy)


def with_partitions(
    instance: dg.DagsterInstance,
    definition: dg.DynamicPartitionsDefinition,
    requests: Iterable[dg.RunRequest],
    most: int | None = None,
) -> tuple[dg.RunRequest, ...]:
    """Return the first request of each partition, at most `most`; their partitions are there then."""
    first: dict[str, dg.RunRequest] = {}
    for request in requests:
        first.setdefault(str(request.partition_key), request)
    chosen = dict(list(first.items())[:most])
    if chosen:
        instance.add_dynamic_partitions(str(definition.name), sorted(chosen))
    return tuple(chosen.values())


def add_missing(instance: dg.DagsterInstance, definition: dg.DynamicPartitionsDefinition, ours: Iterable[str]) -> int:
    """Add those partitions that Dagster does not know; return how many."""
    name = str(definition.name)
    missing = sorted(set(ours) - set(instance.get_dynamic_partitions(name)))
    if missing:
        instance.add_dynamic_partitions(name, missing)
    return len(missing)
