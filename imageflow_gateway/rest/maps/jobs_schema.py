"""Jobs in the API."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.survey import SurveyState
from imageflow_gateway.block_state import percent
from imageflow_surveys.jobs import JobStatus
from imageflow_surveys.planned_grid import OnMap, PlannedGrid

JobState = Literal["preparing", "running", "completed", "failed", "cancelled"]

_JOB_STATES: dict[SurveyState, JobState] = {
    SurveyState.PLANNED: "preparing",
    SurveyState.RUNNING: "running",
    SurveyState.COMPLETED: "completed",
    SurveyState.FAILED: "failed",
    SurveyState.CANCELLED: "cancelled",
}


class JobBegun(BaseModel):
    """A job that was taken."""

    job_id: int
    status: JobState
    dag_run_id: str | None
    """Dagster's id of the job's first run; null until there is one."""
    survey_id: str

    @classmethod
    def of(cls, job: JobStatus) -> Self:
        """Spell the survey's state in the words of jobs: a planned survey is `preparing`."""
        return cls(
            job_id=job.job.id,
            status=_JOB_STATES[job.survey.state],
            dag_run_id=job.job.dag_run_id,
            survey_id=job.survey.id,
        )


class JobProgress(BaseModel):
    """How far a job is."""

    job_id: int
    status: JobState
    progress: float = Field(ge=0, le=100)
    """Percent of the tasks."""
    total_tasks: int
    completed_tasks: int
    tiles_created: int
    dag_run_id: str | None
    """Dagster's id of the job's first run; null until there is one."""
    survey_id: str
    reason: str | None
    """Why it failed or was cancelled, in words for people."""
    withheld: str | None
    """Why the map of a completed job is not published, in words for people."""

    @classmethod
    def of(cls, job: JobStatus) -> Self:
        """Count what the job's survey has, whichever of its runs made it."""
        return cls(
            job_id=job.job.id,
            status=_JOB_STATES[job.survey.state],
            progress=percent(job.progress.tasks_done, job.progress.tasks),
            total_tasks=job.progress.tasks,
            completed_tasks=job.progress.tasks_done,
            tiles_created=job.progress.tiles_cut,
            dag_run_id=job.job.dag_run_id,
            survey_id=job.survey.id,
            reason=job.survey.reason,
            withheld=job.survey.withheld,
        )


class PlannedPlaces(BaseModel):
    """How a job's areas would lie on a map, in game pixels of its frame."""

    survey: str
    """Whose map it is: the save's latest."""
    columns: list[int]
    """Left edges of the columns that the driver reaches."""
    rows: list[int]
    """Top edges of the rows that it reaches."""
    blocks: list[Rect]
    """Squares that together cover all that is reached."""

    @classmethod
    def of(cls, places: OnMap) -> Self:
        """Give the places of blocks without their names."""
        return cls(
            survey=places.survey,
            columns=list(places.columns),
            rows=list(places.rows),
            blocks=list(places.blocks.values()),
        )


class JobPlan(BaseModel):
    """What a job would survey, of which nothing is begun."""

    grid: Grid
    areas: int
    """Of the grid, those that the driver reaches."""
    blocks: int
    places: PlannedPlaces | None
    """Null where the save has no map yet, or the driver knows no position before its game runs."""

    @classmethod
    def of(cls, planned: PlannedGrid) -> Self:
        """Leave the places out where it is not known how the areas lie on a map."""
        return cls(
            grid=planned.grid,
            areas=planned.areas,
            blocks=planned.blocks,
            places=None if planned.on_map is None else PlannedPlaces.of(planned.on_map),
        )
