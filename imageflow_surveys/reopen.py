"""Set whole blocks back to missing, so that the next run makes them again."""

from collections.abc import Collection

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import layers, placements, screenshots, sightings
from imageflow_clients.database.maps import surveys as rows
from imageflow_domain.errors import NotReady
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer, Survey


def reopen(connection: Connection, survey: Survey, layer: Layer, blocks: Collection[Block]) -> None:
    """Mark a layer of blocks as missing, with what depends on it alone; the survey's row is locked by the caller.

    Screenshots are forgotten, and so is the placement, which keeps its frame. Tiles stay until others are made; each of
    them is looked at then.

    Raises:
        NotReady: Where a cleanup is deleting the survey's screenshots, or deleted those that the layer is made from.
    """
    match layer:
        case Layer.SCREENSHOTS:
            if screenshots.being_deleted(connection, survey.id):
                raise NotReady(
                    f"Screenshots of '{survey.id}' are being deleted: materialise its {Layer.CLEANUP} to the end, "
                    "then take them again."
                )
            layers.reopen_capture(connection, survey.id, blocks)
            # or an attempt that goes on after a kill would keep the old screenshots
            cells = [cell for block in blocks for cell in survey.grid.cells_of(block, survey.block_side)]
            screenshots.forget(connection, survey.id, cells)
            sightings.forget(connection, survey.id, cells)
            rows.forget_placement(connection, survey.id)
        case Layer.PAIR_OFFSETS:
            _check_screenshots(connection, survey, layer, blocks)
            layers.reopen_registration(connection, survey.id, blocks)
        case Layer.TILES:
            _check_screenshots(connection, survey, layer, blocks)
            layers.reopen_cut(connection, survey.id, blocks)


def _check_screenshots(connection: Connection, survey: Survey, layer: Layer, blocks: Collection[Block]) -> None:
    """Refuse where reopening would leave a published survey that cannot be made whole again."""
    if not survey.is_published:
        return  # tiles of another encoding are made from the published ones
    cells = {cell for block in blocks for cell in survey.grid.cells_of(block, survey.block_side)}
    placed = {place.cell for place in placements.placements(connection, survey.id)}
    if cells & placed - screenshots.stored(connection, survey.id).keys():
        raise NotReady(
            f"{layer} of '{survey.id}' cannot be made again: the cleanup deleted its screenshots. Materialise all six "
            "assets of the survey to take them anew; surveys planned with keep: keep have them kept."
        )
