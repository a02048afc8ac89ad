"""How a survey stands, stage by stage and block by block: what its rows say, and what Dagster's runs add to that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imageflow_clients.database import layers as rows
from imageflow_clients.database import surveys as survey_rows
from imageflow_clients.database.layers import BlockMarks, FailedRun
from imageflow_clients.stores import Stores
from imageflow_domain.grid import Block
from imageflow_domain.survey import BLOCK_LAYERS, Layer, Survey, SurveyState
from imageflow_surveys.survey_runs import SurveyRun, maker


class Stand(StrEnum):
    MISSING = "missing"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class LayerStanding:
    """How one layer stands, of one block or of the whole survey."""

    state: Stand
    at: datetime | None
    """Since when it is done."""
    reason: str | None
    """Why it failed, in words for people."""
    run_id: str | None
    """Of the run that made it, is making it, or failed; `None` where none is known."""


@dataclass(frozen=True, kw_only=True)
class BlockStanding:
    """How one block stands."""

    block: Block
    layers: Mapping[Layer, LayerStanding]
    """Of `BLOCK_LAYERS`."""
    tiles_cut: int


@dataclass(frozen=True, kw_only=True)
class StageStanding:
    """How one layer stands as a whole."""

    layer: Layer
    state: Stand
    done: int
    total: int
    reason: str | None
    run_ids: tuple[str, ...]
    """Of the runs that are at it."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a survey stands."""

    survey: Survey
    stages: tuple[StageStanding, ...]
    blocks: tuple[BlockStanding, ...]

    @property
    def tasks_done(self) -> int:
        return sum(stage.done for stage in self.stages)

    @property
    def tasks(self) -> int:
        return sum(stage.total for stage in self.stages)

    @property
    def tiles_cut(self) -> int:
        return sum(block.tiles_cut for block in self.blocks)


def standing_of(stores: Stores, survey_id: str, runs: Sequence[SurveyRun] | None) -> Standing:
    """Return how a survey stands; raise `NotFound`.

    Args:
        runs: Of the survey, newest first; `None` where Dagster does not answer, so that nobody knows what is running.
    """
    with stores.database.begin() as connection:
        survey = survey_rows.get(connection, survey_id)
        marks = rows.block_marks(connection, survey_id)
        whole = rows.survey_marks(connection, survey_id)
        failures = rows.counted_failures(connection, survey_id)
    return stand(survey, marks, whole, failures, runs)


def stand(
    survey: Survey,
    marks: Sequence[BlockMarks],
    whole: Mapping[Layer, datetime],
    failures: Sequence[FailedRun],
    runs: Sequence[SurveyRun] | None,
) -> Standing:
    """Put together what rows and runs say; pure.

    Args:
        whole: Since when the layers are done that go by survey alone.
        failures: Those that count against the survey.
    """
    known = runs or ()
    alive = [run for run in known if run.run.is_alive]
    covered = {run.run.id: run for run in known}

    def one(layer: Layer, block: Block | None, at: datetime | None) -> LayerStanding:
        if at is not None:
            made = maker(known, layer, block, at)
            return LayerStanding(state=Stand.DONE, at=at, reason=None, run_id=made.run.id if made else None)
        at_work = next((run for run in alive if run.covers(layer, block)), None)
        if at_work is not None:
            return LayerStanding(state=Stand.RUNNING, at=None, reason=None, run_id=at_work.run.id)
        for failed in failures:
            # a run that Dagster has forgotten may have been over any block
            run = covered.get(failed.run_id)
            if failed.layer is layer and (run is None or run.covers(layer, block)):
                return LayerStanding(state=Stand.FAILED, at=None, reason=failed.reason, run_id=failed.run_id)
        return LayerStanding(state=Stand.MISSING, at=None, reason=None, run_id=None)

    blocks = tuple(
        BlockStanding(
            block=mark.block,
            layers={layer: one(layer, mark.block, mark.done_at.get(layer)) for layer in BLOCK_LAYERS},
            tiles_cut=mark.tiles_cut,
        )
        for mark in marks
    )
    stages = []
    for layer in Layer:
        parts = [b.layers[layer] for b in blocks] if layer in BLOCK_LAYERS else [one(layer, None, whole.get(layer))]
        stages.append(_stage(layer, parts, [run.run.id for run in alive if layer in run.layers]))
    if runs is None and survey.state is SurveyState.RUNNING:
        stages = _guess_running(stages)
    return Standing(survey=survey, stages=tuple(stages), blocks=blocks)


def _stage(layer: Layer, parts: Sequence[LayerStanding], run_ids: Sequence[str]) -> StageStanding:
    states = {part.state for part in parts}
    done = sum(part.state is Stand.DONE for part in parts)
    if states <= {Stand.DONE}:
        state = Stand.DONE
    else:
        state = next(s for s in (Stand.RUNNING, Stand.FAILED, Stand.MISSING, Stand.DONE) if s in states)
    reason = next((part.reason for part in parts if part.reason is not None), None)
    return StageStanding(
        layer=layer, state=state, done=done, total=len(parts), reason=reason, run_ids=tuple(sorted(run_ids))
    )


def _guess_running(stages: Sequence[StageStanding]) -> list[StageStanding]:
    """Take the first stage that is not whole for the one under way: nobody tells of runs."""
    guessed = list(stages)
    for number, stage in enumerate(guessed):
        if stage.state is not Stand.DONE:
            if stage.state is Stand.MISSING:
                guessed[number] = StageStanding(
                    layer=stage.layer,
                    state=Stand.RUNNING,
                    done=stage.done,
                    total=stage.total,
                    reason=None,
                    run_ids=(),
                )
            break
    return guessed
