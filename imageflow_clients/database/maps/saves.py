"""Rows of saves: their surveys, their frames, and the survey that each shows."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from imageflow_clients.database.maps import schema, surveys
from imageflow_domain.survey import Survey

_T = schema.surveys


@dataclass(frozen=True, kw_only=True)
class SaveCount:
    """One save, and its surveys."""

    game: str
    save: str
    surveys: int
    newest: Survey
    """The one that was begun last."""
    latest: Survey | None
    """The published one that the save's addresses show."""


def counted(connection: Connection) -> tuple[SaveCount, ...]:
    """Return every save that has a survey, by game and name."""
    table = schema.saves
    counted = (
        select(_T.c.game, _T.c.save, func.count().label("surveys")).group_by(_T.c.game, _T.c.save).subquery("counted")
    )
    rows = connection.execute(
        select(counted, table.c.latest_survey_id)
        .join(table, (table.c.game == counted.c.game) & (table.c.save == counted.c.save))
        .order_by(counted.c.game, counted.c.save)
    ).all()
    newest_ids = (
        select(_T.c.id)
        .ext(distinct_on(_T.c.game, _T.c.save))
        .order_by(_T.c.game, _T.c.save, _T.c.created_at.desc(), _T.c.id.desc())
    )
    newest = {(row.game, row.save): row for row in connection.execute(select(_T).where(_T.c.id.in_(newest_ids)))}
    shown_ids = [row.latest_survey_id for row in rows if row.latest_survey_id is not None]
    shown = {row.id: surveys.survey_of(row) for row in connection.execute(select(_T).where(_T.c.id.in_(shown_ids)))}
    return tuple(
        SaveCount(
            game=row.game,
            save=row.save,
            surveys=row.surveys,
            newest=surveys.survey_of(newest[row.game, row.save]),
            latest=shown.get(row.latest_survey_id),
        )
        for row in rows
    )


def in_frame(connection: Connection, game: str, save: str, frame_number: int) -> tuple[Survey, ...]:
    """Return the published surveys of one frame of a save, oldest first."""
    rows = connection.execute(
        select(_T)
        .where(
            _T.c.game == game,
            _T.c.save == save,
            _T.c.frame_number == frame_number,
            _T.c.published_revision == _T.c.revision,
        )
        .order_by(_T.c.created_at, _T.c.id)
    )
    return tuple(surveys.survey_of(row) for row in rows)


def lock_frames(connection: Connection, game: str, save: str) -> None:
    """Let no other transaction choose a frame of this save until this one ends."""
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"frames of {game}/{save}", 0))))


def begin_frame(connection: Connection, game: str, save: str) -> int:
    """Take the save's next frame number."""
    saves = schema.saves
    number: int = connection.execute(
        update(saves)
        .where(saves.c.game == game, saves.c.save == save)
        .values(frames_begun=saves.c.frames_begun + 1)
        .returning(saves.c.frames_begun)
    ).scalar_one()
    return number


def latest(connection: Connection, game: str, save: str) -> Survey | None:
    """Return the save's latest published survey."""
    saves = schema.saves
    name = connection.execute(
        select(saves.c.latest_survey_id).where(saves.c.game == game, saves.c.save == save)
    ).scalar_one_or_none()
    return None if name is None else surveys.get(connection, name)


def latest_ids(connection: Connection) -> frozenset[str]:
    """Return the latest published survey of every save."""
    column = schema.saves.c.latest_survey_id
    return frozenset(connection.execute(select(column).where(column.is_not(None))).scalars())


def latest_of_all(connection: Connection) -> Survey | None:
    """Return the survey that was published last, of any save."""
    row = connection.execute(
        select(_T).where(_T.c.published_revision.is_not(None)).order_by(_T.c.published_at.desc()).limit(1)
    ).one_or_none()
    return None if row is None else surveys.survey_of(row)
