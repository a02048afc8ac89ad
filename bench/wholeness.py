"""Whether a survey and its stores are whole: what it shows, which object each row names, and what nobody names."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from imageflow_clients.database.maps import schema, screenshots, tile_schema, tiles
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput
from imageflow_domain.survey import Survey, SurveyState
from imageflow_mosaic.codec import decode_picture, decode_tile
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.sweep import sweep

_NOW = timedelta(0)
_SPRITES_PX = 64
"""Of the 262,144 px of a tile: eight screenshots touch it at most, with eight such pixels each."""

_ENCODER_LEVELS = 16
"""Of 255: what a lossy encoder makes of one other pixel in the pixels around it."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """All that decides whether two surveys are the same map."""

    tiles: Mapping[str, bytes]
    """By address, z/x/y; all zooms."""
    record: Any
    """Its sealed record, but for what names the survey: place, confidence and digest of every screenshot; offsets."""
    exact: bool = True
    """Whether the game draws the same pixels whenever it is started. OpenTTD does not: which of two overlapping
    sprites lies on top depends on where the camera came from, for up to eight pixels a picture."""


def shown_by(stores: Stores, survey: Survey, *, exact: bool = True) -> Shown:
    """Read a published survey's tiles and sealed record, as its stores have them."""
    with stores.database.begin() as connection:
        stored = tuple(tiles.every(connection, survey.id, survey.published().revision))
    record = json.loads(gzip.decompress(stores.objects.get(keys.lineage(survey.id), next_step="clean up")))
    return Shown(
        tiles={
            f"{tile.id.z}/{tile.id.x}/{tile.id.y}": stores.objects.get(keys.tile(tile.digest), next_step="cut again")
            for tile in stored
        },
        record={name: record[name] for name in ("screenshots", "offsets")},
        exact=exact,
    )


def faults_of(stores: Stores, survey: Survey, reference: Shown) -> Iterator[str]:
    """Yield what is not as it must be of a survey that nobody works on any more, and of all objects in its stores."""
    if survey.state is not SurveyState.COMPLETED:
        yield f"{survey.id} is {survey.state}: {survey.reason}"
        return
    missing = sorted(_named_by_rows(stores, survey) - {stored.key for stored in stores.objects.list()})
    yield from (f"a row names '{key}', which is not there" for key in missing)
    yield from _damaged(stores)
    if missing:
        return
    shown = shown_by(stores, survey)
    if (shown.record if reference.exact else _places(shown)) != (
        reference.record if reference.exact else _places(reference)
    ):
        yield "the sealed record is not the undisturbed survey's"
    for address in sorted(shown.tiles.keys() | reference.tiles.keys()):
        ours, theirs = shown.tiles.get(address), reference.tiles.get(address)
        if ours != theirs and (reference.exact or ours is None or theirs is None or not _look_alike(ours, theirs)):
            yield f"tile {address} is not the undisturbed survey's"


def _places(shown: Shown) -> list[tuple[int, ...]]:
    return [(s["row"], s["col"], s["x_px"], s["y_px"]) for s in shown.record["screenshots"]]


def _look_alike(ours: bytes, theirs: bytes) -> bool:
    """Whether two tiles differ visibly in no more pixels than a few sprites' borders have."""
    apart = np.abs(decode_tile(ours).astype(np.int16) - decode_tile(theirs))
    return int(np.count_nonzero(apart.max(axis=-1) > _ENCODER_LEVELS)) <= _SPRITES_PX


def leftovers_of(stores: Stores, settings: Settings, survey: Survey) -> Iterator[str]:
    """Sweep twice, then yield what is left that no row names; then delete the survey, sweep, and yield what is left."""
    _sweep(stores)
    named = _named_by_rows(stores, survey) | set(_may_be_there(stores))
    yield from (f"'{key}' is left, which no row names" for key in sorted(_all(stores, settings) - named))
    remove_survey(stores, survey)
    _sweep(stores)
    yield from (f"'{key}' is left of a deleted survey" for key in sorted(_all(stores, settings)))


def _sweep(stores: Stores) -> None:
    for _ in range(2):
        sweep(stores, grace=_NOW, unfinished=_NOW)


def _named_by_rows(stores: Stores, survey: Survey) -> set[str]:
    """Return every key that has to be there: of screenshots, tiles, thumbnail and record."""
    with stores.database.begin() as connection:
        shots = screenshots.stored(connection, survey.id)
        shown = {tile.digest for tile in tiles.every(connection, survey.id, survey.published().revision)}
        noted = select(tile_schema.tile_objects.c.digest).where(tile_schema.tile_objects.c.bytes.is_not(None))
        shown |= set(connection.execute(noted).scalars())
    return {
        *(shot.object_key for shot in shots.values()),
        *map(keys.tile, shown),
        keys.thumbnail(survey.id, survey.published().revision),
        keys.lineage(survey.id),
    }


def _may_be_there(stores: Stores) -> Iterator[str]:
    """Yield the keys of lossless copies, which are kept for some zooms and can be made again."""
    with stores.database.begin() as connection:
        digests = connection.execute(select(tile_schema.tile_objects.c.digest)).scalars().all()
    yield from map(keys.lossless, digests)


def _all(stores: Stores, settings: Settings) -> set[str]:
    """Return every object's key, and of a folder every file, those among them that no listing shows.

    Without the values between steps: runs may go on with them for a month.
    """
    found = {stored.key for stored in stores.objects.list()}
    if settings.object_store_url is None:
        folder = Path(settings.home_path / "objects")
        found |= {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {key for key in found if not key.startswith(f"{keys.STEP_VALUES}/")}


def _damaged(stores: Stores) -> Iterator[str]:
    with stores.database.begin() as connection:
        digests = {
            row.object_key: row.digest
            for row in connection.execute(select(schema.screenshots.c.object_key, schema.screenshots.c.digest))
        }
    for stored in stores.objects.list():
        data = stores.objects.get(stored.key, next_step="look again")
        try:
            if stored.key.endswith(".gz"):
                json.loads(gzip.decompress(data))
            elif stored.key.startswith(f"{keys.STEP_VALUES}/"):
                json.loads(data)
            elif stored.key in digests:
                decode_picture(data)
            else:
                decode_tile(data)  # overviews and thumbnails, too, are transparent where nothing was surveyed
        except (InvalidInput, OSError, EOFError, zlib.error, ValueError) as error:
            yield f"'{stored.key}' is not whole: {error}"
        if digests.get(stored.key, digest := blake2b(data, digest_size=20).hexdigest()) != digest:
            yield f"'{stored.key}' is not the screenshot that its row says"
