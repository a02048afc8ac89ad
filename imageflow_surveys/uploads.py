"""Folders of frames: how a file gets into one, and how each that was closed begins a survey, once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import uploads
from imageflow_clients.stored_object import StoredObject
from imageflow_clients.stores import Stores
from imageflow_domain.errors import BadFile, ImageFlowError, InvalidInput, Unavailable
from imageflow_domain.ids import check_name
from imageflow_domain.keys import DONE_MARKER, MAP_UPLOADS, POSITIONS_FILE
from imageflow_domain.page import Page, cut
from imageflow_domain.survey import Carrier, DriverSpec, RefusedUpload, Survey, SurveySpec
from imageflow_surveys.arrange import arrange_frames, plan_groups
from imageflow_surveys.camera import skipped_files_of
from imageflow_surveys.ordered import is_unordered
from imageflow_surveys.plan import plan_survey

_MOST_UNORDERED = 250
"""Frames in no order that are compared while a sensor waits, which Dagster gives a minute."""

_MOST_BY_CONTENT = 100
"""Of them, those that were compressed with loss or scaled: the work grows with the square of their number."""


@dataclass(frozen=True, kw_only=True)
class ClosedFolder:
    """An uploaded folder whose last file has arrived."""

    prefix: str
    game: str
    save: str
    """As the folder spells them: they may be no names, or empty."""
    closing_etag: str
    """Of `positions.csv`, or else of the `_DONE` object: another one closes the folder again."""


@dataclass(frozen=True, kw_only=True)
class Noticed:
    """What became of one closed folder."""

    folder: ClosedFolder
    survey: Survey | None
    reason: str | None
    """Why no survey began."""
    skipped: tuple[BadFile, ...] = ()
    """Files of the folder that are no frames."""


@dataclass(frozen=True, kw_only=True)
class KeptFile:
    """A file that lies in the store whole."""

    key: str
    bytes: int
    replaced: bool
    """Whether it took the place of an older one."""


def keep_file(stores: Stores, key: str, file: IO[bytes]) -> KeptFile:
    """Put a file of a folder into the store.

    Args:
        stores: Where folders are.
        key: As `keys.map_upload_file` gives it.
        file: The whole of it is read.
    """
    replaced = stores.objects.exists(key)
    file.seek(0)
    data = file.read()
    stores.objects.put(key, data)
    return KeptFile(key=key, bytes=len(data), replaced=replaced)


def list_refused(stores: Stores, *, after: int | None = None, limit: int = 100) -> Page[RefusedUpload]:
    """Return closed folders that began no survey, newest first, whose id is below `after`."""
    with stores.database.begin() as connection:
        found = uploads.refused(connection, before=after, limit=limit + 1)
    return cut(found, limit, lambda refused: str(refused.id))


def notice_uploads(stores: Stores) -> tuple[Noticed, ...]:
    """Begin a survey, whose runs the sensor requests, for every closed folder that was not noticed before.

    Frames in no order begin one for each group that overlaps. A folder is noted in the transaction that registers its
    surveys: whenever a process dies, there are all or none.
    """
    with stores.database.begin() as connection:
        noticed = uploads.noticed(connection)
    return tuple(
        notice
        for folder in closed_folders(stores)
        if (folder.prefix, folder.closing_etag) not in noticed
        for notice in _begin(stores, folder)
    )


def closed_folders(stores: Stores) -> tuple[ClosedFolder, ...]:
    """Return every closed folder under `uploads/maps/`, whether or not it lies below the names of a game and a save."""
    folders: dict[str, dict[str, StoredObject]] = {}
    for stored in stores.objects.list(f"{MAP_UPLOADS}/"):
        prefix, _, name = stored.key.rpartition("/")
        folders.setdefault(prefix, {})[name] = stored
    return tuple(_closed(folders))


def _closed(folders: dict[str, dict[str, StoredObject]]) -> Iterator[ClosedFolder]:
    for prefix, files in sorted(folders.items()):
        closing = files.get(POSITIONS_FILE) or files.get(DONE_MARKER)
        if closing is not None:
            game, _, rest = prefix.removeprefix(MAP_UPLOADS).removeprefix("/").partition("/")
            yield ClosedFolder(prefix=prefix, game=game, save=rest.partition("/")[0], closing_etag=closing.etag)


def _spec_of(folder: ClosedFolder) -> SurveySpec:
    try:
        game, save = check_name(folder.game), check_name(folder.save)
    except InvalidInput as error:
        raise InvalidInput(
            f"The folder lies below no game and save: {error} Upload it to {MAP_UPLOADS}/GAME/SAVE/NAME/."
        ) from error
    return SurveySpec(game=game, save=save, driver=DriverSpec(name="folder"), source=folder.prefix)


def _begin(stores: Stores, folder: ClosedFolder) -> tuple[Noticed, ...]:
    skipped: tuple[BadFile, ...] = ()

    def note(connection: Connection, surveys: Sequence[Survey], remark: str = "") -> None:
        left_out = f"Skipped: {', '.join(f'{file.name} ({file.reason})' for file in skipped)}." if skipped else ""
        reason = f"{remark} {left_out}".strip() or None
        uploads.note(connection, folder.prefix, folder.closing_etag, survey=surveys[0].id, reason=reason)

    try:
        spec = _spec_of(folder)
        skipped = skipped_files_of(stores, spec)
        if is_unordered(stores, spec):
            surveys = _plan_unordered(stores, spec, note)
        else:
            surveys = (plan_survey(stores, spec, Carrier.SENSOR, along=lambda c, survey: note(c, [survey])),)
    except Unavailable:
        raise  # the folder is not to blame: the next tick looks again
    except ImageFlowError as error:
        with stores.database.begin() as connection:
            uploads.note(connection, folder.prefix, folder.closing_etag, reason=str(error))
        return (Noticed(folder=folder, survey=None, reason=str(error)),)
    return tuple(Noticed(folder=folder, survey=survey, reason=None, skipped=skipped) for survey in surveys)


def _plan_unordered(
    stores: Stores, spec: SurveySpec, note: Callable[[Connection, Sequence[Survey], str], None]
) -> tuple[Survey, ...]:
    frames = arrange_frames(stores, spec.source, {}, spec.masks, most=_MOST_UNORDERED, most_by_content=_MOST_BY_CONTENT)
    return plan_groups(stores, spec, frames, Carrier.SENSOR, lambda c, surveys: note(c, surveys, frames.summary))
