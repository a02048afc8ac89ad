"""Rows of jobs: requests over the API, each of which began one survey."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from imageflow_clients.database.maps import schema
from imageflow_domain.errors import Conflict, NotFound
from imageflow_domain.survey import Survey

_T = schema.jobs


@dataclass(frozen=True, kw_only=True)
class Job:
    """One request; its survey has the progress."""

    id: int
    survey_id: str
    dag_run_id: str | None
    """Dagster's id of the first run; `None` until there is one."""


def begin(connection: Connection, survey: Survey, request: Mapping[str, Any], idempotency_key: str | None) -> Job:
    """Insert the job that begins a survey.

    Waits for a concurrent insert of the same key.

    Raises:
        Conflict: Where a job has that key already.
    """
    row = connection.execute(
        upsert(_T)
        .values(
            game_id=survey.spec.game,
            save_data_id=survey.spec.save,
            survey_id=survey.id,
            request=request,
            idempotency_key=idempotency_key,
        )
        .on_conflict_do_nothing(index_elements=["idempotency_key"])
        .returning(_T)
    ).one_or_none()
    if row is None:
        raise Conflict(f"The idempotency key '{idempotency_key}' belongs to another job.")
    return _job(row)


def get(connection: Connection, job: int) -> Job:
    """Return a job; raise `NotFound`."""
    row = connection.execute(select(_T).where(_T.c.id == job)).one_or_none()
    if row is None:
        raise NotFound(f"There is no job {job}.")
    return _job(row)


def find_of_survey(connection: Connection, survey: str) -> Job | None:
    """Return the job that began a survey, where one did."""
    row = connection.execute(select(_T).where(_T.c.survey_id == survey)).one_or_none()
    return None if row is None else _job(row)


def find_of_key(connection: Connection, idempotency_key: str, request: Mapping[str, Any]) -> Job | None:
    """Return the job that was begun under a key.

    Raises:
        Conflict: The earlier request of this key differs.
    """
    row = connection.execute(select(_T).where(_T.c.idempotency_key == idempotency_key)).one_or_none()
    if row is None:
        return None
    if row.request != request:
        raise Conflict(
            f"The idempotency key '{idempotency_key}' was used for job {row.id}, which had another request: "
            "send a new key with a new request."
        )
    return _job(row)


def note_run(connection: Connection, survey: str, run_id: str) -> None:
    """Note the first run of the job that began a survey, where one did; a run that was noted before stays."""
    connection.execute(update(_T).where(_T.c.survey_id == survey, _T.c.dag_run_id.is_(None)).values(dag_run_id=run_id))


def _job(row: Row[Any]) -> Job:
    return Job(id=row.id, survey_id=row.survey_id, dag_run_id=row.dag_run_id)
