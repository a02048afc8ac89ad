"""Jobs: surveys requested over the API."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from imageflow_gateway.errors import ErrorBody
from imageflow_gateway.gateway import GatewayDep
from imageflow_gateway.rest.maps.jobs_schema import JobBegun, JobPlan, JobProgress
from imageflow_surveys.games import JobRequest, survey_spec
from imageflow_surveys.jobs import begin_job, cancel_job, job_status, retry_job
from imageflow_surveys.planned_grid import plan_grid

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

JobId = Annotated[int, Path(ge=1, lt=2**63)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="The same request under the same key begins one job, however often it is sent.",
    ),
]


@router.post(
    "",
    status_code=202,
    summary="Survey a game",
    responses={
        200: {"model": JobBegun, "description": "The job that was begun under the same idempotency key."},
        503: {"model": ErrorBody, "description": "Dagster is down: `details` name the job, which begins by itself."},
    },
)
def create_job(
    request: JobRequest, gateway: GatewayDep, response: Response, idempotency_key: IdempotencyKey = None
) -> JobBegun:
    """Register a survey of a game that has a file under `games/`, and start it.

    `grid`, `seed` and `savegame` override what the game's file says; a savegame is named, never a path.
    """
    begun = gateway.use(begin_job)(gateway.launcher, gateway.settings.games, request, key=idempotency_key)
    if not begun.is_new:
        response.status_code = 200
    response.headers["location"] = f"/api/jobs/{begun.status.job.id}/status"
    return JobBegun.of(begun.status)


@router.post("/plan", summary="What a job would survey")
def plan_job(request: JobRequest, gateway: GatewayDep) -> JobPlan:
    """Return where the driver would place the areas on the latest map of the save; nothing is started."""
    return JobPlan.of(gateway.use(plan_grid)(survey_spec(gateway.settings.games, request)))


@router.get("/{job_id}/status", summary="Progress of a job")
def read_job_status(job_id: JobId, gateway: GatewayDep) -> JobProgress:
    """Answered from the metadata database alone, so it may be requested every second."""
    return JobProgress.of(gateway.use(job_status)(job_id))


@router.post("/{job_id}/cancel", summary="Stop a job")
def stop_job(job_id: JobId, gateway: GatewayDep) -> JobProgress:
    """Cancel a job and its runs. Its results stay; a job that was already cancelled is returned unchanged."""
    return JobProgress.of(gateway.use(cancel_job)(gateway.launcher, job_id))


@router.post("/{job_id}/retry", status_code=202, summary="Go on with a job that failed or was cancelled")
def resume_job(job_id: JobId, gateway: GatewayDep) -> JobProgress:
    """Make what is missing, and only that. For a job that is complete or under way the answer is 409."""
    return JobProgress.of(gateway.use(retry_job)(job_id))
