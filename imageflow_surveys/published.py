"""Which map an address shows, and which object a tile is: read from the rows, and remembered for a moment."""

from dataclasses import dataclass
from typing import Literal

from imageflow_clients.database.maps import saves, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.tiles import StoredTile
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.survey import Mosaic, Survey
from imageflow_domain.tiles import TileId
from imageflow_mosaic.encoding import to_png
from imageflow_surveys.ttl_cache import TtlCache

Picture = Literal["webp", "png"]

_MOVING_S = 1.0
"""How long a moving address may show the map before: a page asks for dozens of tiles within it."""

_TILE_S = 60.0
_TILES = 50_000

_DEEPEST = 30
"""Zooms beyond it have columns that no database integer holds."""


@dataclass(frozen=True, kw_only=True)
class PublishedMap:
    """A survey that has a map, and the revision that its moving addresses show."""

    survey: Survey
    mosaic: Mosaic
    revision: str


class PublishedMaps:
    """Answers in microseconds what was asked a moment ago; otherwise by one indexed query."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._by_survey: TtlCache[str, PublishedMap] = TtlCache(ttl_s=_MOVING_S, size=1000)
        self._latest: TtlCache[tuple[str, str] | None, PublishedMap] = TtlCache(ttl_s=_MOVING_S, size=1000)
        self._tiles: TtlCache[tuple[str, str, TileId], StoredTile] = TtlCache(ttl_s=_TILE_S, size=_TILES)

    def of_survey(self, survey: str) -> PublishedMap:
        """Return the map of a survey; raise `NotFound`, or `NotReady` before its first publication."""
        return self._by_survey.get(survey, lambda: self._read_survey(survey))

    def latest(self, game: str | None, save: str | None) -> PublishedMap:
        """Return the map published last, of one save or of all.

        Raises:
            InvalidInput: Where only one of game and save is given.
            NotFound: Where nothing is published.
        """
        if (game is None) != (save is None):
            raise InvalidInput("Give both game and save, or neither for the map that was published last.")
        of = None if game is None or save is None else (game, save)
        return self._latest.get(of, lambda: self._read_latest(of))

    def tile(self, survey: str, revision: str, tile: TileId) -> StoredTile:
        """Return which object a tile is; raise `NotFound` outside the map."""
        return self._tiles.get((survey, revision, tile), lambda: self._read_tile(survey, revision, tile))

    def read(self, survey: str, tile: StoredTile, picture: Picture = "webp") -> bytes:
        """Return a tile as WebP or PNG; raise `ObjectMissing` where its row stands and its object is gone."""
        data = self._stores.objects.get(keys.tile(tile.digest), next_step=f"materialise tiles of '{survey}' again")
        return data if picture == "webp" else to_png(data)

    def thumbnail(self, shown: PublishedMap) -> bytes:
        """Return a whole map as one small WebP; raise `ObjectMissing` where it is gone."""
        survey = shown.survey.id
        return self._stores.objects.get(
            keys.thumbnail(survey, shown.revision), next_step=f"materialise overviews of '{survey}' again"
        )

    def _read_survey(self, survey: str) -> PublishedMap:
        with self._stores.database.begin() as connection:
            return _map_of(rows.get(connection, survey))

    def _read_latest(self, of: tuple[str, str] | None) -> PublishedMap:
        with self._stores.database.begin() as connection:
            survey = saves.latest(connection, *of) if of else saves.latest_of_all(connection)
        if survey is None:
            where = f"of game '{of[0]}', save '{of[1]}'" if of else "of any save"
            raise NotFound(f"No survey {where} is published yet: `imageflow survey run --help` shows how to make one.")
        return _map_of(survey)

    def _read_tile(self, survey: str, revision: str, tile: TileId) -> StoredTile:
        inside = 0 <= tile.z <= _DEEPEST and all(0 <= at < 1 << tile.z for at in (tile.x, tile.y))
        found = None
        if inside:
            with self._stores.database.begin() as connection:
                found = tiles.find(connection, survey, revision, tile)
        if found is None:
            raise NotFound(f"'{survey}' has no tile {tile.z}/{tile.x}/{tile.y}: its TileJSON gives zooms and bounds.")
        return found


def _map_of(survey: Survey) -> PublishedMap:
    # A survey that is being placed again, or whose newer map is withheld, keeps showing what was published before.
    mosaic = survey.published() if survey.published_revision is None else survey.placed()
    return PublishedMap(survey=survey, mosaic=mosaic, revision=survey.published_revision or mosaic.revision)
