"""Progress of a survey, in events."""

from typing import Self

from pydantic import BaseModel, Field

from imageflow_domain.survey import Layer, SurveyState
from imageflow_gateway.block_state import BlockState, percent
from imageflow_gateway.dagster_links import DagsterLinks
from imageflow_surveys.survey_progress import BlockProgress, LayerState, StageProgress, SurveyProgress


class StageState(BaseModel):
    """State of one layer of a survey."""

    layer: Layer
    state: LayerState
    done: int
    total: int
    """Blocks, or 1 where the layer has none."""
    reason: str | None
    run_id: str | None
    """Of the run that is making it, or failed at it; null where neither is so."""
    run_url: str | None
    """In Dagster's UI."""

    @classmethod
    def of(cls, stage: StageProgress, links: DagsterLinks) -> Self:
        """Add the address of the run that is making the layer, or failed at it."""
        return cls(
            layer=stage.layer,
            state=stage.state,
            done=stage.done,
            total=stage.total,
            reason=stage.reason,
            run_id=stage.run_id,
            run_url=links.run(stage.run_id) if stage.run_id else None,
        )


class ProgressEvent(BaseModel):
    """What `progress` events of `/api/v1/surveys/{survey}/events` carry."""

    survey: str
    state: SurveyState
    reason: str | None
    progress: float = Field(ge=0, le=100)
    """Percent of the tasks."""
    tiles: int
    """That were cut so far."""
    stages: list[StageState]
    full: bool
    """Whether `blocks` are all blocks; else those that have changed since the event before."""
    blocks: list[BlockState]

    @classmethod
    def of(cls, progress: SurveyProgress, blocks: list[BlockProgress], links: DagsterLinks, *, full: bool) -> Self:
        """Name `blocks` alone, which with `full` must be all blocks of the survey."""
        survey = progress.survey
        return cls(
            survey=survey.id,
            state=survey.state,
            reason=survey.reason,
            progress=percent(progress.tasks_done, progress.tasks),
            tiles=progress.tiles_cut,
            stages=[StageState.of(stage, links) for stage in progress.stages],
            full=full,
            blocks=[BlockState.of(block, links) for block in blocks],
        )


class TroubleEvent(BaseModel):
    """What `trouble` events carry: for now nothing new is known."""

    code: str
    message: str
