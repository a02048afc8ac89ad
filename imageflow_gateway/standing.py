"""How blocks stand, as answers and events tell it."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from imageflow_domain.survey import Layer
from imageflow_gateway.dagster_links import DagsterLinks
from imageflow_surveys.standing import BlockStanding, LayerStanding, Stand


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
        """Add the address of the run that made the layer, is making it, or failed at it."""
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
        """Tell the layers in the order in which they are made."""
        block = standing.block
        return cls(
            row=block.row,
            col=block.col,
            key=block.key,
            layers=[LayerFacts.of(layer, one, links) for layer, one in standing.layers.items()],
            tiles=standing.tiles_cut,
        )


def percent(done: int, tasks: int) -> float:
    """Return how much of the tasks is done, to a tenth."""
    return round(100 * done / tasks, 1)
