"""Surveys asked for over the API."""

from dataclasses import dataclass
from pathlib import Path

from imageflow_clients.database import Connection, layers
from imageflow_clients.database import jobs as rows
from imageflow_clients.database import surveys as survey_rows
from imageflow_clients.database.jobs import Job
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, Progress, Survey, SurveyState
from imageflow_surveys.games import JobRequest, survey_spec
from imageflow_surveys.plan import plan_survey


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """How far a job is."""

    job: Job
    survey: Survey
    progress: Progress


def begin_job(stores: Stores, games: Path, request: JobRequest) -> JobStatus:
    """Register job and survey in one transaction; Dagster's sensor then carries the survey.

    Raises:
        NotFound: No such game or savegame.
        InvalidInput: The request or the game file is wrong.
    """

    def note(connection: Connection, survey: Survey) -> None:
        survey_rows.set_state(connection, survey.id, SurveyState.RUNNING)
        rows.begin(connection, survey)

    survey = plan_survey(stores, survey_spec(games, request), Carrier.SENSOR, along=note)
    with stores.database.begin() as connection:
        job = rows.of_survey(connection, survey.id)
    return job_status(stores, job.id)


def job_status(stores: Stores, job_id: int) -> JobStatus:
    """Return how far a job is, from the database alone; raise `NotFound`."""
    with stores.database.begin() as connection:
        job = rows.get(connection, job_id)
        return JobStatus(
            job=job,
            survey=survey_rows.get(connection, job.survey_id),
            progress=layers.progress(connection, job.survey_id),
        )
