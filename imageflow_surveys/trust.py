"""What can be said against a survey: findings that asset checks, command line and pages show alike."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from imageflow_clients.database import dependencies, placements, screenshots, tiles
from imageflow_clients.database.tiles import StoredTile
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.grid import Cell
from imageflow_domain.placement import DroppedOffset, PairOffset, Placement, PlacementStatus
from imageflow_domain.survey import Survey
from imageflow_domain.tiles import TileId
from imageflow_mosaic.loops import open_loops

ANCHORED_SHARE = 0.9
"""Below this share of anchored screenshots a survey carries a warning."""


class Severity(StrEnum):
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    holds: bool
    severity: Severity
    """What it means where it does not hold."""
    text: str
    offenders: tuple[str, ...] = ()
    """Each names the screenshots or tiles that are at fault."""


def loops_close(stores: Stores, survey: Survey) -> Finding:
    """Whether all verified offsets, before the solve, add up to nothing around every loop of neighbours."""
    with stores.database.begin() as connection:
        return judge_loops(placements.offsets(connection, survey.id))


def judge_loops(pairs: Sequence[PairOffset]) -> Finding:
    """As `loops_close`, of all verified offsets."""
    loops = open_loops(pairs)
    return Finding(
        holds=not loops,
        severity=Severity.ERROR,
        text=f"{len(loops)} loops of neighbouring offsets do not close, of {len(pairs)} verified offsets.",
        offenders=tuple(str(loop) for loop in loops),
    )


def shots_placed(stores: Stores, survey: Survey) -> Finding:
    """Whether every screenshot has a place."""
    with stores.database.begin() as connection:
        taken = screenshots.stored(connection, survey.id)
        return judge_placed(taken, placements.placements(connection, survey.id))


def judge_placed(taken: Collection[Cell], places: Sequence[Placement]) -> Finding:
    """As `shots_placed`, of the screenshots that are stored."""
    placed = {place.cell for place in places if place.status is not PlacementStatus.UNPLACED}
    unplaced = [cell for cell in taken if cell not in placed]
    return Finding(
        holds=not unplaced,
        severity=Severity.ERROR,
        text=f"{len(unplaced)} of {len(taken)} screenshots have no place.",
        offenders=tuple(str(cell) for cell in sorted(unplaced)),
    )


def decisive_offsets_kept(stores: Stores, survey: Survey) -> Finding:
    """Whether the solve kept every offset whose overlap agrees at it alone."""
    with stores.database.begin() as connection:
        return judge_dropped(placements.dropped(connection, survey.id))


def judge_dropped(dropped: Sequence[DroppedOffset]) -> Finding:
    """As `decisive_offsets_kept`, of what the solve dropped."""
    decisive = [drop for drop in dropped if drop.pair.decisive]
    return Finding(
        holds=not decisive,
        severity=Severity.ERROR,
        text=f"The solve dropped {len(dropped)} verified offsets, {len(decisive)} of them decisive.",
        offenders=tuple(
            f"{drop.pair.reference} - {drop.pair.moving}: off by {drop.residual_px:.1f} px" for drop in decisive
        ),
    )


def mostly_anchored(stores: Stores, survey: Survey) -> Finding:
    """Whether enough screenshots are anchored."""
    return judge_anchored(_places(stores, survey))


def judge_anchored(places: Sequence[Placement]) -> Finding:
    """As `mostly_anchored`, of all placements."""
    unsure = [p for p in places if p.status is not PlacementStatus.ANCHORED]
    share = 1 - len(unsure) / len(places) if places else 0.0
    return Finding(
        holds=share >= ANCHORED_SHARE,
        severity=Severity.WARN,
        text=f"{share:.0%} of {len(places)} screenshots are anchored; {ANCHORED_SHARE:.0%} are wanted.",
        offenders=tuple(f"{p.cell}: {p.status}, {p.confidence:.2f} sure" for p in sorted(unsure, key=_confidence)),
    )


def one_group(stores: Stores, survey: Survey) -> Finding:
    """Whether verified offsets tie all screenshots that have any into one group."""
    return judge_groups(_places(stores, survey))


def judge_groups(places: Sequence[Placement]) -> Finding:
    """As `one_group`, of all placements."""
    sizes: dict[int, int] = {}
    for place in places:
        sizes[place.group] = sizes.get(place.group, 0) + 1
    others = {group: size for group, size in sizes.items() if group > 0 and size > 1}
    return Finding(
        holds=not others,
        severity=Severity.WARN,
        text=f"{len(others)} groups of screenshots are tied to each other but not to the map.",
        offenders=tuple(f"group {group}: {size} screenshots" for group, size in sorted(others.items())),
    )


def tiles_whole(stores: Stores, survey: Survey) -> Finding:
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
    return Finding(
        holds=not faults,
        severity=Severity.ERROR,
        text=f"{len(faults)} of {len(promised) + len(missing)} promised tiles are missing or not whole.",
        offenders=tuple(faults),
    )


def least_sure(places: Sequence[Placement], count: int) -> tuple[Placement, ...]:
    """Return the screenshots that are least surely placed, worst first."""
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
