"""Which of Dagster's runs made, or is making, a part of a survey."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from imageflow_clients.dagster import Dagster, DagsterRun
from imageflow_domain.errors import InvalidInput
from imageflow_domain.grid import Block
from imageflow_domain.survey import BLOCK_LAYERS, Layer
from imageflow_surveys.runs import SURVEY_TAG, blocks_of

_MOST_RUNS = 300
"""Of one survey: those of its last attempts."""

_CLOCKS = timedelta(seconds=2)
"""By which the database's clock and Dagster's may differ."""

_PARTITION, _SURVEY_DIMENSION, _BLOCK_DIMENSION = (
    "dagster/partition",
    "dagster/partition/survey",
    "dagster/partition/block",
)


@dataclass(frozen=True, kw_only=True)
class SurveyRun:
    """One run, in the words of a survey."""

    run: DagsterRun
    layers: tuple[Layer, ...]
    blocks: tuple[Block, ...]
    """Empty where it goes over the whole survey."""

    def covers(self, layer: Layer, block: Block | None) -> bool:
        return layer in self.layers and (block is None or layer not in BLOCK_LAYERS or block in self.blocks)

    def was_at_work(self, at: datetime) -> bool:
        begun, ended = self.run.started_at, self.run.ended_at
        return begun is not None and begun - _CLOCKS <= at and (ended is None or at <= ended + _CLOCKS)


def runs_of_survey(dagster: Dagster, survey: str) -> tuple[SurveyRun, ...]:
    """Return the runs of a survey, newest first; raise `DagsterUnavailable`.

    Those that a carrier asked for, and those that a person began in Dagster's UI for one partition.
    """
    found: dict[str, DagsterRun] = {}
    for tag in (SURVEY_TAG, _SURVEY_DIMENSION, _PARTITION):
        for run in dagster.runs({tag: survey}, limit=_MOST_RUNS):
            found[run.id] = run
    runs = [_survey_run(run) for run in found.values()]
    return tuple(sorted((run for run in runs if run.layers), key=_begun, reverse=True))


def maker(runs: Sequence[SurveyRun], layer: Layer, block: Block | None, at: datetime) -> SurveyRun | None:
    """Return the run that made a layer, or one block of it, at an instant; `None` where none is known.

    Args:
        runs: Newest first.
    """
    return next((run for run in runs if run.covers(layer, block) and run.was_at_work(at)), None)


def _survey_run(run: DagsterRun) -> SurveyRun:
    known = {layer.value: layer for layer in Layer}
    layers = tuple(known[asset] for asset in run.assets if asset in known)
    blocks = blocks_of(run.tags)
    if not blocks and _BLOCK_DIMENSION in run.tags:
        try:
            blocks = (Block.parse(run.tags[_BLOCK_DIMENSION]),)
        except InvalidInput:
            layers = ()  # of somebody else's partitions
    return SurveyRun(run=run, layers=layers, blocks=blocks)


def _begun(run: SurveyRun) -> tuple[bool, float]:
    begun = run.run.started_at
    return (begun is None, 0.0 if begun is None else begun.timestamp())
