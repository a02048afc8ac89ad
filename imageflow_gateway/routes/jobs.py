"""Jobs: surveys asked for over the API."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from imageflow_gateway.addresses import GatewayDep
from imageflow_gateway.schemas import JobBegun, JobProgress
from imageflow_surveys.games import JobRequest
from imageflow_surveys.jobs import begin_job, job_status

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

JobId = Annotated[int, Path(ge=1, lt=2**63)]


@router.post("", status_code=202, summary="Survey a game")
def create_job(request: JobRequest, gateway: GatewayDep, response: Response) -> JobBegun:
    """Register a survey of a game that has a file under `games/`, and start it.

    `grid`, `seed` and `savegame` override what the game's file says; a savegame is named, never a path.
    """
    job = begin_job(gateway.stores, gateway.settings.games, request)
    response.headers["location"] = f"/api/jobs/{job.job.id}/status"
    return JobBegun.of(job)


@router.get("/{job_id}/status", summary="How far a job is")
def read_job_status(job_id: JobId, gateway: GatewayDep) -> JobProgress:
    """Answer from the metadata database alone, so it may be asked every second."""
    return JobProgress.of(job_status(gateway.stores, job_id))
