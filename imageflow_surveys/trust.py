"""What can be said against a survey: looks at it, whose findings asset checks, command line and pages show alike."""

from collections import Counter
from collections.abc import Collection, Sequence

from imageflow_clients.database.maps import dependencies, placements, screenshots, tiles
from imageflow_clients.database.maps.tiles import StoredTile
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.grid import Cell
from imageflow_domain.placement import DroppedOffset, PairOffset, Placement, PlacementStatus, RefusedPair
from imageflow_domain.survey import Survey
from imageflow_domain.tiles import TileId
from imageflow_mosaic.loops import open_loops
from imageflow_surveys.findings import (
    Causes,
    DecisiveOffsetsKept,
    LoopsClose,
    MostlyAnchored,
    OneGroup,
    PositionsHold,
    ShotsPlaced,
    TiedGroup,
    TilesWhole,
)


def loops_close(stores: Stores, survey: Survey) -> LoopsClose:
    """Whether all verified offsets, before the solve, add up to nothing around every loop of neighbours."""
    with stores.database.begin() as connection:
        return judge_loops(placements.offsets(connection, survey.id))


def judge_loops(pairs: Sequence[PairOffset]) -> LoopsClose:
    """As `loops_close`, of all verified offsets."""
    return LoopsClose(loops=tuple(open_loops(pairs)), offsets=len(pairs))


def shots_placed(stores: Stores, survey: Survey) -> ShotsPlaced:
    """Whether every screenshot has a place."""
    with stores.database.begin() as connection:
        taken = screenshots.stored(connection, survey.id)
        return judge_placed(taken, placements.placements(connection, survey.id))


def judge_placed(taken: Collection[Cell], places: Sequence[Placement]) -> ShotsPlaced:
    """As `shots_placed`, of the screenshots that are stored."""
    placed = {place.cell for place in places if place.status is not PlacementStatus.UNPLACED}
    return ShotsPlaced(unplaced=tuple(sorted(cell for cell in taken if cell not in placed)), screenshots=len(taken))


def decisive_offsets_kept(stores: Stores, survey: Survey) -> DecisiveOffsetsKept:
    """Whether the solve kept every decisive offset, one beside which the overlap allows no other."""
    with stores.database.begin() as connection:
        return judge_dropped(placements.dropped(connection, survey.id))


def judge_dropped(dropped: Sequence[DroppedOffset]) -> DecisiveOffsetsKept:
    """As `decisive_offsets_kept`, of what the solve dropped."""
    return DecisiveOffsetsKept(decisive=tuple(drop for drop in dropped if drop.pair.decisive), dropped=len(dropped))


def mostly_anchored(stores: Stores, survey: Survey) -> MostlyAnchored:
    """Whether enough screenshots are anchored."""
    with stores.database.begin() as connection:
        refused = placements.refused(connection, survey.id)
    return judge_anchored(_places(stores, survey), refused, survey.reach_px)


def judge_anchored(places: Sequence[Placement], refused: Sequence[RefusedPair], reach_px: int) -> MostlyAnchored:
    """As `mostly_anchored`, of all placements and of all pairs that gave no offset."""
    unsure = [place for place in places if place.status is not PlacementStatus.ANCHORED]
    cells = {place.cell for place in unsure}
    overlaps = Counter(pair.reason for pair in refused if pair.reference in cells or pair.moving in cells)
    return MostlyAnchored(
        unsure=tuple(sorted(unsure, key=_confidence)),
        screenshots=len(places),
        causes=Causes(overlaps=overlaps, reach_px=reach_px),
    )


def one_group(stores: Stores, survey: Survey) -> OneGroup:
    """Whether verified offsets tie all screenshots that have any into one group."""
    return judge_groups(_places(stores, survey))


def judge_groups(places: Sequence[Placement]) -> OneGroup:
    """As `one_group`, of all placements."""
    sizes: dict[int, int] = {}
    for place in places:
        sizes[place.group] = sizes.get(place.group, 0) + 1
    tied = (TiedGroup(group=group, screenshots=size) for group, size in sorted(sizes.items()) if group > 0 and size > 1)
    return OneGroup(others=tuple(tied))


def positions_hold(stores: Stores, survey: Survey) -> PositionsHold:
    """Whether screenshots lie where they were believed to, or had to be searched for farther away."""
    return judge_positions(_places(stores, survey), survey.reach_px)


def judge_positions(places: Sequence[Placement], reach_px: int) -> PositionsHold:
    """As `positions_hold`, of all placements."""
    found = [(place, place.found_off) for place in places if place.found_off is not None]
    found.sort(key=lambda one: (-max(abs(one[1].dx_px), abs(one[1].dy_px)), one[0].cell))
    return PositionsHold(found=tuple(place for place, _ in found), screenshots=len(places), reach_px=reach_px)


def tiles_whole(stores: Stores, survey: Survey) -> TilesWhole:
    """Whether every promised tile is there, whole."""
    revision = survey.placed().revision
    with stores.database.begin() as connection:
        native = dependencies.missing_native(connection, survey.id, revision)
        promised = list(tiles.every(connection, survey.id, revision))
    there = {tile.id for tile in promised}
    missing = sorted(_with_ancestors({*native, *there}) - there)
    faults = [f"{t.z}/{t.x}/{t.y}: no row" for t in missing]
    seen: dict[str, str | None] = {}
    for tile in promised:
        if tile.digest not in seen:
            seen[tile.digest] = _fault(stores, tile)
        fault = seen[tile.digest]
        if fault is not None:
            faults.append(f"{tile.id.z}/{tile.id.x}/{tile.id.y}: {fault}")
    return TilesWhole(faults=tuple(faults), promised=len(promised) + len(missing))


def least_sure(places: Sequence[Placement], count: int) -> tuple[Placement, ...]:
    """Return the screenshots with the least confident places, worst first."""
    return tuple(sorted(places, key=_confidence)[:count])


def _with_ancestors(tiles_: set[TileId]) -> set[TileId]:
    """Return the tiles and all above them: every tile of a published map has its parents, up to zoom 0."""
    whole = set(tiles_)
    for tile in tiles_:
        above = tile
        while above.z > 0 and above.parent not in whole:
            above = above.parent
            whole.add(above)
    return whole


def _fault(stores: Stores, tile: StoredTile) -> str | None:
    # By its size, not by decoding it: of 50,000 tiles that took as long as a tenth of the survey.
    there = stores.objects.head(keys.tile(tile.digest))
    if there is None:
        return "its object is missing"
    return None if there.size == tile.bytes else f"its object has {there.size} bytes of {tile.bytes}"


def _places(stores: Stores, survey: Survey) -> tuple[Placement, ...]:
    with stores.database.begin() as connection:
        return placements.placements(connection, survey.id)


def _confidence(place: Placement) -> tuple[float, int, int]:
    return place.confidence, place.cell.row, place.cell.col
