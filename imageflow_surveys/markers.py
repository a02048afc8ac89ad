"""Named places of a save: kept beside its surveys, so that they stay when a survey is deleted."""

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import markers as rows
from imageflow_clients.database.maps import saves
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict, InvalidInput, NotFound, NotReady, Outdated
from imageflow_domain.markers import Marker, MarkerText
from imageflow_domain.survey import Survey

MOST_MARKERS = 5000
"""Most markers of one save: a longer list is of no use to people."""


def list_markers(stores: Stores, game: str, save: str, name: str | None = None) -> tuple[Marker, ...]:
    """Return the markers of a save, by name.

    Args:
        name: Only those whose name contains it.
    """
    with stores.database.begin() as connection:
        return rows.find(connection, game, save, name=name)


def add_marker(
    stores: Stores, game: str, save: str, *, frame_number: int | None = None, x_px: int, y_px: int, text: MarkerText
) -> Marker:
    """Name a place of a save's map.

    Args:
        frame_number: Of the map that the place was read from; `None` for the latest map's.
        x_px: In pixels of the frame.
        y_px: The same.

    Raises:
        NotReady: Where the save has no map yet.
        InvalidInput: Where the place lies outside the frame.
        Conflict: Where no map shows that frame, or the save has `MOST_MARKERS` already.
    """
    with stores.database.begin() as connection:
        survey = _latest(connection, game, save)
        if frame_number not in (None, survey.placed().frame.number):
            survey = _of_frame(connection, game, save, frame_number)
        _check_inside(survey, x_px, y_px)
        if rows.count(connection, game, save) >= MOST_MARKERS:
            raise Conflict(f"Save '{save}' has {MOST_MARKERS:,} markers, as many as are kept: delete some first.")
        return rows.add(
            connection, game, save, frame_number=survey.placed().frame.number, x_px=x_px, y_px=y_px, text=text
        )


def change_marker(
    stores: Stores,
    game: str,
    save: str,
    marker: int,
    version: int | None,
    *,
    x_px: int | None = None,
    y_px: int | None = None,
    name: str | None = None,
    note: str | None = None,
    colour: str | None = None,
) -> Marker:
    """Change what is given of a marker; it stays in its frame.

    Args:
        version: The one that the caller read; `None` for whichever it is.

    Raises:
        NotFound: Where the marker is not there.
        Outdated: It was changed meanwhile.
        InvalidInput: Where the place lies outside the frame.
    """
    with stores.database.begin() as connection:
        before = _locked(connection, game, save, marker, version)
        x_px = before.x_px if x_px is None else x_px
        y_px = before.y_px if y_px is None else y_px
        if (x_px, y_px) != (before.x_px, before.y_px):
            _check_inside(_of_frame(connection, game, save, before.frame_number), x_px, y_px)
        text = MarkerText(
            name=before.text.name if name is None else name,
            note=before.text.note if note is None else note,
            colour=before.text.colour if colour is None else colour,
        )
        return rows.change(connection, before.id, x_px=x_px, y_px=y_px, text=text)


def remove_marker(stores: Stores, game: str, save: str, marker: int, version: int | None) -> None:
    """Delete a marker; the errors are `change_marker`'s."""
    with stores.database.begin() as connection:
        rows.remove(connection, _locked(connection, game, save, marker, version).id)


def _locked(connection: Connection, game: str, save: str, marker: int, version: int | None) -> Marker:
    found = rows.get(connection, game, save, marker, lock=True)
    if found is None:
        raise NotFound(f"Save '{save}' of '{game}' has no marker {marker}: it was deleted, or never was.")
    if version not in (None, found.version):
        raise Outdated(f"Marker '{found.text.name}' was changed meanwhile: read it again, then change it.")
    return found


def _latest(connection: Connection, game: str, save: str) -> Survey:
    latest = saves.latest(connection, game, save)
    if latest is None:
        raise NotReady(f"Save '{save}' of '{game}' has no map yet: survey it first, then mark its places.")
    return latest


def _of_frame(connection: Connection, game: str, save: str, frame_number: int) -> Survey:
    found = saves.in_frame(connection, game, save, frame_number)
    if not found:
        raise Conflict(f"No map of this save shows frame {frame_number}: mark the place on the latest map instead.")
    return found[-1]


def _check_inside(survey: Survey, x_px: int, y_px: int) -> None:
    side_px = survey.placed().frame.side_px
    if not (0 <= x_px < side_px and 0 <= y_px < side_px):
        raise InvalidInput(f"{x_px},{y_px} lies outside the map, which is 0,0 to {side_px - 1},{side_px - 1}.")
