"""Dagster's queue of runs, parted into lines, so that none of them waits for the end of another's.

A survey's run holds its place for as long as the survey takes, and a run of a large one may wait in it for slots of
pools: without limits, a backfill of surveys would take every place. Who launches a run makes no difference: Dagster's
UI, a backfill, a sensor, the API, the command line's stack.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

import dagster as dg
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._serdes import ConfigurableClassData
from typing_extensions import override

from imageflow_clients.settings import Settings
from imageflow_domain.survey import Layer
from imageflow_resources.instance_settings import settings_of

LINE_TAG = "imageflow/line"


class RunLine(StrEnum):
    """What a run belongs to."""

    MAP = "map"
    INSPECTION = "inspection"
    EXECUTIONS = "executions"
    """Live executions of long-running pipelines, and of those with container components."""
    UPKEEP = "upkeep"
    """Everything else: statistics, planning, the nightly upkeep. All of it is short."""


_ASSETS = {
    **{layer.value: RunLine.MAP for layer in Layer},
    **dict.fromkeys(("batch_images", "batch_rules", "inspection_results", "batch_report"), RunLine.INSPECTION),
}
_UPKEEP_RUNS = 2


def line_of(run: dg.DagsterRun) -> RunLine:
    """Return a run's line, by its assets; a job that names none says so itself, by the tag `imageflow/line`."""
    if run.tags.get(LINE_TAG) in set(RunLine):
        return RunLine(run.tags[LINE_TAG])
    lines = {_ASSETS.get(asset.path[-1], RunLine.UPKEEP) for asset in run.asset_selection or ()}
    return next((line for line in RunLine if line in lines), RunLine.UPKEEP)


def runs_of_lines(settings: Settings) -> Mapping[RunLine, int]:
    """Return how many runs of each line may be under way.

    One for each slot of its pools, and another that starts its worker while it waits.
    """
    return {
        RunLine.MAP: settings.capture_pool + settings.coords_pool + settings.tiles_pool + 1,
        RunLine.INSPECTION: settings.inspection_pool + 1,
        RunLine.EXECUTIONS: settings.long_executions,
        RunLine.UPKEEP: _UPKEEP_RUNS,
    }


class Queue(QueuedRunCoordinator[dg.DagsterInstance]):
    """Tags each run with its line; the limits of the lines come from the settings, not from `dagster.yaml`."""

    @classmethod
    @override
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        limits = runs_of_lines(settings_of({}))
        return super().from_config_value(
            inst_data,
            {
                "max_concurrent_runs": sum(limits.values()),
                "tag_concurrency_limits": [
                    {"key": LINE_TAG, "value": line.value, "limit": limit} for line, limit in limits.items()
                ],
                **config_value,
            },
        )

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Enqueue a run."""
        run = context.dagster_run
        self._instance.add_run_tags(run.run_id, {LINE_TAG: line_of(run).value})
        return super().submit_run(context)
