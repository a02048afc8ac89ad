"""Which places changed between two surveys of a save: by the tiles' digests first, then pixels of changed tiles.

Where more tiles differ than can be looked at, as in a game that does not stand still, smaller zooms are compared.
"""

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from imageflow_clients.database.maps import tiles
from imageflow_clients.database.maps.tiles import Difference
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Fidelity, Survey
from imageflow_domain.tiles import TILE_PX
from imageflow_mosaic.changed import ChangedCells, Cluster, changed_cells, changed_lossy_cells, clusters
from imageflow_mosaic.codec import Pixels
from imageflow_surveys import states
from imageflow_surveys.stored_pictures import read_tile
from imageflow_surveys.ttl_cache import TtlCache

MOST_TILES = 800
"""Tiles whose pixels are compared, a few seconds' work."""

_LOSSLESS_LEVELS = 2
"""Zooms that are encoded without loss: native, and its parent."""

_KEPT, _KEPT_S = 50, 3600.0
"""How many comparisons are kept, and for how long: this only bounds what memory holds."""

_TOLERANCE = 48
"""By which channels of tiles that are encoded with loss may differ though nothing changed."""

Comparer = Callable[[Pixels, Pixels, Rect], ChangedCells]
"""Takes a tile before and after, and where both lie."""

_THREADS = 2  # decoding leaves Python's lock


@dataclass(frozen=True, kw_only=True)
class Place:
    """Changed pixels that lie together."""

    bounds: Rect
    """In pixels of the frame."""
    changed_px: int
    """Where the comparison was not exact, an estimate."""
    tiles: int
    """Native tiles that it touches."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What differs between two surveys, where both show something."""

    places: tuple[Place, ...]
    """Largest first."""
    exact: bool
    """Whether native pixels were compared; else those of a smaller zoom."""
    compared_tiles: int
    """Native tiles that both have."""
    changed_tiles: int
    """Native tiles whose pixels differ; where not exact, whose objects do."""
    only_in_survey: int
    only_in_since: int
    """Native tiles that one alone has."""

    @property
    def changed_px(self) -> int:
        """Of all places together; an estimate where the comparison was not exact."""
        return sum(place.changed_px for place in self.places)


@dataclass(frozen=True, kw_only=True)
class ComparablePair:
    """Two published surveys in one frame."""

    survey: Survey
    since: Survey


def _check_comparable(survey: Survey, since: Survey) -> None:
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
        ObjectDamaged: Where its object is no tile.
    """
    _check_comparable(survey, since)
    here, there = survey.published(), since.published()
    native_zoom = here.frame.native_zoom
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, survey.id, here.revision)
        other = tiles.layer_of(connection, since.id, there.revision)
        native = shown = tiles.differences(connection, layer, other, native_zoom)
        zoom = native_zoom
        while len(shown.changed) > MOST_TILES and zoom > 0:
            zoom -= 1
            shown = tiles.differences(connection, layer, other, zoom)
    levels = native_zoom - zoom
    parts = _compare(stores, survey, since, shown.changed, _comparer(here.fidelity, there.fidelity, levels))
    return Changes(
        places=tuple(_place(one, levels) for one in clusters(parts)),
        exact=zoom == native_zoom,
        compared_tiles=native.common,
        changed_tiles=sum(part.row.size > 0 for part in parts) if zoom == native_zoom else len(native.changed),
        only_in_survey=native.only_here,
        only_in_since=native.only_there,
    )


class Comparisons:
    """Comparisons of surveys, each made once: what one says of two revisions stays true."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._kept: TtlCache[Hashable, Changes] = TtlCache(ttl_s=_KEPT_S, size=_KEPT)

    def pair(self, survey_id: str, since_id: str) -> ComparablePair:
        """Return two surveys that can be compared: this takes no time, `of` may take seconds.

        Raises:
            NotFound: Where one of them does not exist.
            NotReady: Before both are published.
            Conflict: Where they lie in different frames.
        """
        survey, since = states.read(self._stores, survey_id), states.read(self._stores, since_id)
        _check_comparable(survey, since)
        return ComparablePair(survey=survey, since=since)

    def of(self, pair: ComparablePair) -> Changes:
        """Return what `changes_between` does, and raise what it raises."""
        survey, since = pair.survey, pair.since
        key = (survey.id, survey.published().revision, since.id, since.published().revision)
        return self._kept.get(key, lambda: changes_between(self._stores, survey, since))


def _comparer(one: Fidelity, other: Fidelity, levels: int) -> Comparer:
    """Return how two tiles are compared so many levels above the native zoom: exactly, or in spite of their noise."""
    noise = max(one.noise or 0.0, other.noise or 0.0)
    if one.is_lossless and other.is_lossless:
        return partial(changed_cells, tolerance=_TOLERANCE if levels >= _LOSSLESS_LEVELS else 0)
    # Averaging 2 x 2 pixels halves noise of which each pixel has its own.
    return partial(changed_lossy_cells, noise=noise / 2**levels)


def _compare(
    stores: Stores, survey: Survey, since: Survey, changed: Sequence[Difference], comparer: Comparer
) -> tuple[ChangedCells, ...]:
    """Return the cells that differ in each of some tiles, in pixels of their zoom."""

    def compare(one: Difference) -> ChangedCells:
        before = read_tile(stores, since.id, one.id, one.other)
        now = read_tile(stores, survey.id, one.id, one.digest)
        return comparer(before, now, one.id.rect(one.id.z))

    with ThreadPoolExecutor(_THREADS) as pool:
        return tuple(pool.map(compare, changed))


def _place(together: Cluster, levels: int) -> Place:
    """Return what a cluster of a smaller zoom is in native pixels.

    Args:
        levels: Between its zoom and the native one.
    """
    small = together.bounds
    bounds = Rect(
        x_px=small.x_px << levels,
        y_px=small.y_px << levels,
        width_px=small.width_px << levels,
        height_px=small.height_px << levels,
    )
    return Place(bounds=bounds, changed_px=together.count << 2 * levels, tiles=_tiles_touched(bounds))


def _tiles_touched(rect: Rect) -> int:
    across = (rect.right_px - 1) // TILE_PX - rect.x_px // TILE_PX + 1
    return across * ((rect.bottom_px - 1) // TILE_PX - rect.y_px // TILE_PX + 1)
