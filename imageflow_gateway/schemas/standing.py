"""How a survey stands, as the API tells and pushes it."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Layer, SurveyState
from imageflow_gateway.dagster_links import DagsterLinks
from imageflow_gateway.schemas.surveys import percent
from imageflow_surveys.standing import BlockStanding, LayerStanding, StageStanding, Stand, Standing
from imageflow_surveys.survey_runs import SurveyRun


class LayerFacts(BaseModel):
    """How one layer of one block stands."""

    layer: Layer
    state: Stand
    at: datetime | None
    """Since when it is done."""
    reason: str | None
    """Why it failed."""
    run_id: str | None
    """Of the run that made it, is making it, or failed at it; null where none is known."""
    run_url: str | None
    """In Dagster's UI."""

    @classmethod
    def of(cls, layer: Layer, stand: LayerStanding, links: DagsterLinks) -> Self:
        return cls(
            layer=layer,
            state=stand.state,
            at=stand.at,
            reason=stand.reason,
            run_id=stand.run_id,
            run_url=links.run(stand.run_id) if stand.run_id else None,
        )


class BlockState(BaseModel):
    """How one block stands."""

    row: int
    col: int
    key: str
    """Its name, such as `r00c01`."""
    layers: list[LayerFacts]
    """screenshots, pair_offsets, tiles."""
    tiles: int
    """That were cut so far."""

    @classmethod
    def of(cls, standing: BlockStanding, links: DagsterLinks) -> Self:
        block = standing.block
        return cls(
            row=block.row,
            col=block.col,
            key=block.key,
            layers=[LayerFacts.of(layer, one, links) for layer, one in standing.layers.items()],
            tiles=standing.tiles_cut,
        )


class PlacedBlockState(BlockState):
    """How one block stands, and where it lies."""

    bounds: Rect | None
    """What its pictures show together; null for a block of holes."""


class BlockList(BaseModel):
    """Every block of a survey, row by row."""

    placed: bool
    """Whether bounds lie in the map's frame; until the survey is placed, they lie in the driver's own plane."""
    blocks: list[PlacedBlockState]


class StageState(BaseModel):
    """How one layer of a survey stands."""

    layer: Layer
    state: Stand
    done: int
    total: int
    """Blocks, or 1 where the layer has none."""
    reason: str | None
    run_id: str | None
    """Of the run that is making it, or failed at it; null where neither is so."""
    run_url: str | None
    """In Dagster's UI."""

    @classmethod
    def of(cls, stage: StageStanding, links: DagsterLinks) -> Self:
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
    def of(cls, standing: Standing, blocks: list[BlockStanding], links: DagsterLinks, *, full: bool) -> Self:
        survey = standing.survey
        return cls(
            survey=survey.id,
            state=survey.state,
            reason=survey.reason,
            progress=percent(standing.tasks_done, standing.tasks),
            tiles=standing.tiles_cut,
            stages=[StageState.of(stage, links) for stage in standing.stages],
            full=full,
            blocks=[BlockState.of(block, links) for block in blocks],
        )


class TroubleEvent(BaseModel):
    """What `trouble` events carry: for now nothing new is known."""

    code: str
    message: str


class RunFacts(BaseModel):
    """One run of Dagster over a survey."""

    run_id: str
    status: Literal[
        "QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "SUCCESS", "FAILURE", "CANCELING", "CANCELED"
    ]
    layers: list[Layer]
    """That it was asked for."""
    started_at: datetime | None
    ended_at: datetime | None
    url: str

    @classmethod
    def of(cls, run: SurveyRun, links: DagsterLinks) -> Self:
        return cls.model_validate(
            {
                "run_id": run.run.id,
                "status": run.run.status,
                "layers": run.layers,
                "started_at": run.run.started_at,
                "ended_at": run.run.ended_at,
                "url": links.run(run.run.id),
            }
        )


class RunList(BaseModel):
    """Runs of a survey, newest first."""

    runs: list[RunFacts]
