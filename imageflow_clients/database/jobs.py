"""Rows of jobs: requests over the API, each of which began one survey."""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from imageflow_clients.database import schema
from imageflow_domain.errors import NotFound
from imageflow_domain.survey import Survey

_T = schema.jobs


@dataclass(frozen=True, kw_only=True)
class Job:
    """One request; how far it is, its survey tells."""

    id: int
    survey_id: str


def begin(connection: Connection, survey: Survey) -> Job:
    number = connection.execute(
        insert(_T)
        .values(game_id=survey.spec.game, save_data_id=survey.spec.save, survey_id=survey.id)
        .returning(_T.c.id)
    ).scalar_one()
    return Job(id=number, survey_id=survey.id)


def get(connection: Connection, job: int) -> Job:
    """Return a job; raise `NotFound`."""
    row = connection.execute(select(_T).where(_T.c.id == job)).one_or_none()
    if row is None:
        raise NotFound(f"There is no job {job}.")
    return Job(id=row.id, survey_id=row.survey_id)


def of_survey(connection: Connection, survey: str) -> Job:
    """Return the job that began a survey; raise `NotFound` where none did."""
    row = connection.execute(select(_T).where(_T.c.survey_id == survey)).one_or_none()
    if row is None:
        raise NotFound(f"No job began '{survey}'.")
    return Job(id=row.id, survey_id=row.survey_id)
