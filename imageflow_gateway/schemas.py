"""What the API answers, made from domain values at the edge."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from imageflow_domain.geometry import Rect, Size
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Carrier, Progress, ShotCount, Survey, SurveyState
from imageflow_surveys.jobs import JobStatus
from imageflow_surveys.tilejson import FrameFacts

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

    @classmethod
    def of(cls, job: JobStatus) -> Self:
        return cls(
            job_id=job.job.id,
            status=_JOB_STATES[job.survey.state],
            progress=percent(job.progress),
            total_tasks=job.progress.tasks,
            completed_tasks=job.progress.tasks_done,
            tiles_created=job.progress.tiles_cut,
            dag_run_id=job.job.dag_run_id,
            survey_id=job.survey.id,
            reason=job.survey.reason,
        )


class SurveyLinks(BaseModel):
    """Addresses of one survey; the last three are null until it has a map."""

    self: str
    map: str
    tilejson: str | None
    thumbnail: str | None
    tiles: str | None
    """`{z}`, `{x}` and `{y}` are to be filled in; shows the newest revision, as the survey's page does."""


class SurveySummary(BaseModel):
    """One survey in a list."""

    id: str
    game: str
    save: str
    state: SurveyState
    carrier: Carrier
    reason: str | None
    """Why it failed, in words for people."""
    revision: str | None
    """What its addresses show; null until it has a map."""
    created_at: datetime
    finished_at: datetime | None
    links: SurveyLinks

    @classmethod
    def of(cls, survey: Survey) -> Self:
        return cls.model_validate(_summary(survey))


class SurveyCounts(BaseModel):
    """How much of a survey is there."""

    tasks: int
    tasks_done: int
    shots_planned: int
    shots_taken: int
    native_tiles_planned: int
    """By the commanded positions until the screenshots are placed, then as placed."""
    tiles_cut: int
    """Tiles of the newest placement, all zooms."""


class SurveyDetail(SurveySummary):
    """One survey."""

    grid: Grid
    view: Size
    """Of each screenshot."""
    frame: FrameFacts | None
    """The coordinate frame of the save's surveys; null until the screenshots are placed."""
    bounds: Rect | None
    """Of the mosaic, in game pixels of the frame; null until the screenshots are placed."""
    progress: float = Field(ge=0, le=100)
    """Percent of the tasks."""
    counts: SurveyCounts

    @classmethod
    def of_progress(cls, survey: Survey, progress: Progress, shots: ShotCount) -> Self:
        frame = survey.mosaic.frame if survey.mosaic else None
        return cls.model_validate(
            {
                **_summary(survey),
                "grid": survey.grid,
                "view": survey.view,
                "frame": frame
                and FrameFacts(number=frame.number, native_zoom=frame.native_zoom, side_px=frame.side_px),
                "bounds": survey.mosaic.bounds if survey.mosaic else None,
                "progress": percent(progress),
                "counts": SurveyCounts(
                    tasks=progress.tasks,
                    tasks_done=progress.tasks_done,
                    shots_planned=shots.planned,
                    shots_taken=shots.taken,
                    native_tiles_planned=progress.tiles_planned,
                    tiles_cut=progress.tiles_cut,
                ),
            }
        )


class SurveyList(BaseModel):
    """Surveys, newest first."""

    surveys: list[SurveySummary]


class GameSummary(BaseModel):
    """A game that `POST /api/jobs` may start."""

    game_id: str
    title: str | None
    driver: str | None
    grid: Grid | None
    savegames: list[str]
    problem: str | None
    """Why it cannot be started: what is wrong with its file."""


class GameList(BaseModel):
    """Games by their ids."""

    games: list[GameSummary]


class Uploaded(BaseModel):
    """A file that lies in the store whole."""

    key: str
    bytes: int


class Health(BaseModel):
    """The gateway answers."""

    status: Literal["ok"] = "ok"


def percent(progress: Progress) -> float:
    """Return how much of the tasks is done, to a tenth."""
    return round(100 * progress.tasks_done / progress.tasks, 1)


def _summary(survey: Survey) -> dict[str, object]:
    shown = survey.published_revision is not None
    tiles = f"/tiles/{survey.id}"
    return {
        "id": survey.id,
        "game": survey.spec.game,
        "save": survey.spec.save,
        "state": survey.state,
        "carrier": survey.carrier,
        "reason": survey.reason,
        "revision": survey.published_revision,
        "created_at": survey.created_at,
        "finished_at": survey.finished_at,
        "links": SurveyLinks(
            self=f"/api/surveys/{survey.id}",
            map=f"/maps/{survey.id}",
            tilejson=f"{tiles}/tilejson.json" if shown else None,
            thumbnail=f"/api/surveys/{survey.id}/thumbnail.webp" if shown else None,
            tiles=f"{tiles}/{{z}}/{{x}}/{{y}}.webp" if shown else None,
        ),
    }
