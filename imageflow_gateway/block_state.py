"""States of blocks, in answers and in events."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from imageflow_domain.survey import Layer
from imageflow_gateway.dagster_links import DagsterLinks
from imageflow_surveys.survey_progress import BlockProgress, LayerProgress, LayerState


class LayerFacts(BaseModel):
    """State of one layer of one block."""

    layer: Layer
    state: LayerState
    at: datetime | None
    """Since when it is done."""
    reason: str | None
    """Why it failed."""
    run_id: str | None
    """Of the run that made it, is making it, or failed at it; null where none is known."""
    run_url: str | None
    """In Dagster's UI."""

    @classmethod
    def of(cls, layer: Layer, progress: LayerProgress, links: DagsterLinks) -> Self:
        """Add the address of the run that made the layer, is making it, or failed at it."""
        return cls(
            layer=layer,
            state=progress.state,
            at=progress.at,
            reason=progress.reason,
            run_id=progress.run_id,
            run_url=links.run(progress.run_id) if progress.run_id else None,
        )


class BlockState(BaseModel):
    """State of one block."""

    row: int
    col: int
    key: str
    """Its name, such as `r00c01`."""
    layers: list[LayerFacts]
    """screenshots, pair_offsets, tiles."""
    tiles: int
    """That were cut so far."""

    @classmethod
    def of(cls, progress: BlockProgress, links: DagsterLinks) -> Self:
        """Keep the layers in the order in which they are made."""
        block = progress.block
        return cls(
            row=block.row,
            col=block.col,
            key=block.key,
            layers=[LayerFacts.of(layer, one, links) for layer, one in progress.layers.items()],
            tiles=progress.tiles_cut,
        )


def percent(done: int, tasks: int) -> float:
    """Return how much of the tasks is done, to a tenth."""
    return round(100 * done / tasks, 1)
