"""Which places changed between two surveys of a save: by the tiles' digests first, then pixels of changed tiles."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from imageflow_clients.database import tiles
from imageflow_clients.database.tiles import Difference, Differences
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import Conflict
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Survey
from imageflow_domain.tiles import TILE_PX
from imageflow_mosaic.changed import ChangedCells, Cluster, changed_cells, clusters, whole_cells
from imageflow_mosaic.codec import Pixels, decode_tile

MOST_EXACT = 800
"""Changed tiles whose pixels are compared, a few seconds' work; of more, whole tiles count as changed."""

_THREADS = 2  # decoding leaves Python's lock


@dataclass(frozen=True, kw_only=True)
class Place:
    """Changed pixels that lie together."""

    bounds: Rect
    """In pixels of the frame."""
    changed_px: int | None
    """`None` where only whole tiles were compared."""
    tiles: int
    """Native tiles that it touches."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What differs between two surveys, where both show something."""

    places: tuple[Place, ...]
    """Largest first."""
    exact: bool
    """Whether pixels were compared."""
    compared_tiles: int
    """Native tiles that both have."""
    changed_tiles: int
    """Those whose pixels differ; where not exact, whose objects do."""
    only_in_survey: int
    only_in_since: int
    """Native tiles that one alone has."""

    @property
    def changed_px(self) -> int | None:
        return sum(place.changed_px or 0 for place in self.places) if self.exact else None


def check_comparable(survey: Survey, since: Survey) -> None:
    """Raise `Conflict` unless two published surveys lie in one frame; `NotReady` before they are published."""
    here, there = survey.published(), since.published()
    if (survey.spec.game, survey.spec.save) != (since.spec.game, since.spec.save):
        raise Conflict(f"'{survey.id}' and '{since.id}' are of different saves: compare surveys of one save.")
    if here.frame != there.frame:
        raise Conflict(
            f"'{survey.id}' and '{since.id}' cannot be compared: the later one shares too little with the earlier "
            f"one to be laid over it (frames {here.frame.number} and {there.frame.number})."
        )


def changes_between(stores: Stores, survey: Survey, since: Survey) -> Changes:
    """Return which places of a survey differ from an earlier one, largest first.

    Where only one of the two shows something, nothing is compared.

    Raises:
        NotReady: Before both are published.
        Conflict: Where they lie in different frames.
        ObjectMissing: Where a tile's row stands but its object is gone.
    """
    check_comparable(survey, since)
    here, there = survey.published(), since.published()
    with stores.database.begin() as connection:
        found = tiles.differences(
            connection,
            tiles.layer_of(connection, survey.id, here.revision),
            tiles.layer_of(connection, since.id, there.revision),
            here.frame.native_zoom,
        )
    exact = len(found.changed) <= MOST_EXACT
    return _by_pixels(stores, survey, found) if exact else _by_tiles(found)


def _by_pixels(stores: Stores, survey: Survey, found: Differences) -> Changes:
    again = f"materialise tiles of '{survey.id}' again"

    def pixels(digest: str | None) -> Pixels:
        assert digest is not None  # noqa: S101 - both layers show what differs
        return decode_tile(stores.objects.get(keys.tile(digest), next_step=again))

    def compare(one: Difference) -> ChangedCells:
        return changed_cells(pixels(one.other), pixels(one.digest), one.id.rect(one.id.z))

    with ThreadPoolExecutor(_THREADS) as pool:
        parts = list(pool.map(compare, found.changed))
    return _changes(found, clusters(parts), exact=True, changed=sum(bool(part.row.size) for part in parts))


def _by_tiles(found: Differences) -> Changes:
    rects = [one.id.rect(one.id.z) for one in found.changed]
    return _changes(found, clusters([whole_cells(rects, TILE_PX)]), exact=False, changed=len(found.changed))


def _changes(found: Differences, together: tuple[Cluster, ...], *, exact: bool, changed: int) -> Changes:
    places = [
        Place(
            bounds=one.bounds,
            changed_px=one.count if exact else None,
            tiles=_tiles_touched(one.bounds) if exact else one.count // TILE_PX**2,
        )
        for one in together
    ]
    return Changes(
        places=tuple(places),
        exact=exact,
        compared_tiles=found.common,
        changed_tiles=changed,
        only_in_survey=found.only_here,
        only_in_since=found.only_there,
    )


def _tiles_touched(rect: Rect) -> int:
    across = (rect.right_px - 1) // TILE_PX - rect.x_px // TILE_PX + 1
    return across * ((rect.bottom_px - 1) // TILE_PX - rect.y_px // TILE_PX + 1)
