"""How a survey stands, block by block and run by run, in the API."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Layer
from imageflow_gateway.block_state import BlockState
from imageflow_gateway.dagster_links import DagsterLinks
from imageflow_surveys.areas import BlockPlace
from imageflow_surveys.survey_runs import SurveyRun


class PlacedBlockState(BlockState):
    """How one block stands, and where it lies."""

    bounds: Rect | None
    """What its pictures show together; null for a block of holes."""

    @classmethod
    def at(cls, place: BlockPlace, links: DagsterLinks) -> Self:
        """Add what the block's pictures show together to how it stands."""
        return cls(**dict(BlockState.of(place.progress, links)), bounds=place.bounds)


class BlockList(BaseModel):
    """Every block of a survey, row by row."""

    placed: bool
    """Whether bounds lie in the map's frame; until the survey is placed, they lie in the driver's own plane."""
    blocks: list[PlacedBlockState]


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
        """Raise `ValidationError` for a status that Dagster did not have when this was written."""
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
