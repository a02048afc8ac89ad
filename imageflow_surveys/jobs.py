"""Surveys requested over the API: started, reported, cancelled, retried."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageflow_clients.dagster import Dagster
from imageflow_clients.database import Connection
from imageflow_clients.database.maps import jobs as rows
from imageflow_clients.database.maps import layers
from imageflow_clients.database.maps import surveys as survey_rows
from imageflow_clients.database.maps.jobs import Job
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict, DagsterUnavailable, JobDelayed
from imageflow_domain.survey import Carrier, Progress, Survey, SurveyState
from imageflow_surveys import states
from imageflow_surveys.games import JobRequest, survey_spec
from imageflow_surveys.next_step import next_step
from imageflow_surveys.ordered import check_ordered
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.reread import reread
from imageflow_surveys.runs import MAP_JOB, PARTITION_TAG, SENSOR, SURVEYS_PARTITIONS, run_key, tags_of

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """Progress of a job."""

    job: Job
    survey: Survey
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A requested job."""

    status: JobStatus
    is_new: bool
    """No request of the same idempotency key came before."""


def begin_job(stores: Stores, dagster: Dagster, games: Path, request: JobRequest, *, key: str | None = None) -> Begun:
    """Register job and survey in one transaction and launch its run; the sensor then settles the survey.

    Args:
        key: Equal requests with the same idempotency key begin one job.

    Raises:
        NotFound: No such game or savegame.
        InvalidInput: The request or the game file is wrong.
        Conflict: The key belongs to another request.
        JobDelayed: Dagster is down: the job is kept, and the sensor begins it.
    """
    # requests of before there were parameters are equal to those without any
    asked = request.model_dump(mode="json", exclude=None if request.parameters else {"parameters"})
    known = _known(stores, key, asked)
    if known is not None:
        return Begun(status=known, is_new=False)
    spec = survey_spec(games, request)
    check_ordered(stores, spec)
    begun: list[Job] = []

    def note(connection: Connection, survey: Survey) -> None:
        begun.append(rows.begin(connection, survey, asked, key))

    try:
        survey = plan_survey(stores, spec, Carrier.SENSOR, along=note)
    except Conflict:
        known = _known(stores, key, asked)
        if known is None:
            raise
        return Begun(status=known, is_new=False)  # the same request came twice at once
    _launch(stores, dagster, begun[-1], survey)
    return Begun(status=job_status(stores, begun[-1].id), is_new=True)


def job_status(stores: Stores, job_id: int) -> JobStatus:
    """Return the progress of a job, from the database alone; raise `NotFound`."""
    with stores.database.begin() as connection:
        job = rows.get(connection, job_id)
        return JobStatus(
            job=job,
            survey=survey_rows.get(connection, job.survey_id),
            progress=layers.progress(connection, job.survey_id),
        )


def cancel_job(stores: Stores, dagster: Dagster, job_id: int) -> JobStatus:
    """End a job for good and stop its runs; what it made stays, and it can be taken up again.

    Where Dagster is down, the sensor stops the runs once it is up.

    Raises:
        NotFound: No such job.
        Conflict: The job has ended, or a run of the command line is at work on its survey.
    """
    with stores.database.begin() as connection:
        job = rows.get(connection, job_id)
        survey = survey_rows.get(connection, job.survey_id, lock=True)
        if survey.state in {SurveyState.COMPLETED, SurveyState.FAILED}:
            raise Conflict(f"Job {job.id} has {_ENDED[survey.state]} already: there is nothing to cancel.")
        if survey.carrier is Carrier.COMMAND_LINE:
            states.check_idle(connection, survey)
        if survey.state is not SurveyState.CANCELLED:
            survey_rows.set_state(connection, survey.id, SurveyState.CANCELLED, "Cancelled over the API.")
    try:
        dagster.stop(dagster.alive({PARTITION_TAG: job.survey_id}))
    except DagsterUnavailable as error:
        _LOG.warning("job %s is cancelled, its runs are left to the sensor: %s", job.id, error)
    return job_status(stores, job.id)


def retry_job(stores: Stores, job_id: int) -> JobStatus:
    """Let the sensor request another run for a job's survey, by what is missing only, its failed runs forgotten.

    The game's file is read again: how the game is driven may be corrected there.

    Raises:
        NotFound: No such job.
        InvalidInput: The game's file is wrong, or changes what must stay.
        Conflict: The job is under way, or nothing of it is missing.
    """
    status = job_status(stores, job_id)
    if status.survey.state is SurveyState.PLANNED and status.survey.carrier is Carrier.SENSOR:
        raise Conflict(f"Job {job_id} is being prepared and begins by itself: there is nothing to take up again.")
    if status.survey.state is SurveyState.COMPLETED and next_step(status.progress) is None:
        raise Conflict(f"Job {job_id} is complete: nothing of it is missing. POST /api/jobs surveys the game again.")
    if status.survey.state is SurveyState.RUNNING and status.survey.carrier is Carrier.SENSOR:
        raise Conflict(f"Job {job_id} is running: wait for its end, or cancel it first.")
    reread(stores, status.survey.id)
    states.take_up(stores, status.survey.id, Carrier.SENSOR)
    return job_status(stores, job_id)


_ENDED = {SurveyState.COMPLETED: "been completed", SurveyState.FAILED: "failed"}


def _known(stores: Stores, key: str | None, asked: dict[str, Any]) -> JobStatus | None:
    if key is None:
        return None
    with stores.database.begin() as connection:
        job = rows.find_of_key(connection, key, asked)
    return None if job is None else job_status(stores, job.id)


def _launch(stores: Stores, dagster: Dagster, job: Job, survey: Survey) -> None:
    """Launch the run that the sensor would request first."""
    # by the first two, Dagster itself drops a request of the sensor for the same run
    tags = {
        "dagster/run_key": run_key(survey.id, None),
        "dagster/sensor_name": SENSOR,
        PARTITION_TAG: survey.id,
        **tags_of(job.id),
    }
    try:
        dagster.add_partition(SURVEYS_PARTITIONS, survey.id)
        run_id = dagster.launch(MAP_JOB, tags)
    except DagsterUnavailable as error:
        raise JobDelayed(job.id, survey_id=survey.id, why=str(error)) from error
    with stores.database.begin() as connection:
        rows.note_run(connection, survey.id, run_id)
        was_cancelled = survey_rows.get(connection, survey.id).state is SurveyState.CANCELLED
    if was_cancelled:
        _stop_late(dagster, job, run_id)


def _stop_late(dagster: Dagster, job: Job, run_id: str) -> None:
    """Stop the run of a job that was cancelled while it was launched."""
    try:
        dagster.stop([run_id])
    except DagsterUnavailable as error:
        _LOG.warning("job %s was cancelled, its run is left to the sensor: %s", job.id, error)
