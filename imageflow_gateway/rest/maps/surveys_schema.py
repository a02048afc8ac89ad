"""Surveys and saves in the API."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from imageflow_domain.geometry import Rect, Size
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Carrier, Keep, Layer, Survey, SurveyState
from imageflow_domain.tiles import Frame
from imageflow_gateway.block_state import percent
from imageflow_gateway.dagster_links import DagsterLinks
from imageflow_surveys.saves import Save
from imageflow_surveys.surveys import CountedSurvey, SurveyInFull
from imageflow_surveys.tilejson import FrameFacts


class SurveyLinks(BaseModel):
    """Addresses of one survey; the last three are null until it has a published map."""

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
    """Why it failed or was cancelled, or what a planned one has already and needs next, in words for people."""
    withheld: str | None
    """Why its map is whole but not published, in words for people; null where it is not withheld."""
    revision: str | None
    """What its addresses show; null until it has a published map."""
    created_at: datetime
    finished_at: datetime | None
    grid: Grid
    frame_number: int | None
    """Surveys of one save with different numbers lie elsewhere and cannot be compared; null until it is placed."""
    progress: float = Field(ge=0, le=100)
    """Percent of the tasks."""
    tiles: int
    """Of the newest placement, all zooms."""
    links: SurveyLinks

    @classmethod
    def of(cls, counted: CountedSurvey) -> Self:
        """Give progress in percent of the counted tasks."""
        count = counted.count
        return cls.model_validate(_summary(counted.survey, percent(count.done, count.tasks), count.tiles))


class SurveyCounts(BaseModel):
    """How much of a survey is there."""

    tasks: int
    tasks_done: int
    shots_planned: int
    """Areas that have a screenshot, or are to get one."""
    shots_taken: int
    shots_unsettled: int
    """Of those taken, the ones whose image still changed when the wait for a still one was over."""
    areas_outside: int
    """Areas beyond the world's edge: they have no screenshot, and the map is whole without them."""
    areas_holes: int
    """Areas in the world of which nothing usable was shown: holes in the map, unless neighbours show the place."""
    native_tiles_planned: int
    """By the commanded positions until the screenshots are placed, then as placed."""
    tiles_cut: int
    """Tiles of the newest placement, all zooms."""


class LayerLinks(BaseModel):
    """Where Dagster's UI shows one layer of a survey."""

    layer: Layer
    asset_url: str
    partition_url: str
    """Of the survey."""


class DagsterPlaces(BaseModel):
    """Where Dagster's UI shows a survey."""

    runs_url: str
    layers: list[LayerLinks]

    @classmethod
    def of(cls, survey: str, links: DagsterLinks) -> Self:
        """Spell an address for every layer, whether it is made or not."""
        return cls(
            runs_url=links.runs_of(survey),
            layers=[
                LayerLinks(layer=layer, asset_url=links.asset(layer), partition_url=links.partition(layer, survey))
                for layer in Layer
            ],
        )


class SurveyDetail(SurveySummary):
    """One survey."""

    job_id: int | None
    """Of the job that began it, which can be cancelled and taken up again; null where none did."""
    driver: str
    keep: Keep
    """What becomes of its screenshots once no tile needs them."""
    block_side: int
    """Areas on a block's side."""
    view: Size
    """Of each screenshot."""
    frame: FrameFacts | None
    """The coordinate frame of the save's surveys; null until the screenshots are placed."""
    bounds: Rect | None
    """Of the mosaic, in game pixels of the frame; null until the screenshots are placed."""
    counts: SurveyCounts
    dagster: DagsterPlaces

    @classmethod
    def in_full(cls, found: SurveyInFull, links: DagsterLinks) -> Self:
        """Leave frame and bounds out until the screenshots are placed."""
        survey, progress, shots = found.survey, found.progress, found.shots
        return cls.model_validate(
            {
                **_summary(survey, percent(progress.tasks_done, progress.tasks), progress.tiles_cut),
                "job_id": found.job_id,
                "driver": survey.spec.driver.name,
                "keep": survey.keep,
                "block_side": survey.block_side,
                "view": survey.view,
                "frame": _frame_facts(survey.mosaic.frame) if survey.mosaic else None,
                "bounds": survey.mosaic.bounds if survey.mosaic else None,
                "dagster": DagsterPlaces.of(survey.id, links),
                "counts": SurveyCounts(
                    tasks=progress.tasks,
                    tasks_done=progress.tasks_done,
                    shots_planned=shots.planned,
                    shots_taken=shots.taken,
                    shots_unsettled=shots.unsettled,
                    areas_outside=shots.outside,
                    areas_holes=shots.holes,
                    native_tiles_planned=progress.tiles_planned,
                    tiles_cut=progress.tiles_cut,
                ),
            }
        )


class SurveyList(BaseModel):
    """Surveys, newest first."""

    surveys: list[SurveySummary]
    next: str | None
    """Give it as `after` for the surveys that come next; null where these were the last."""


class SaveFacts(BaseModel):
    """One save of a game that has surveys."""

    game: str
    save: str
    surveys: int
    newest: SurveySummary
    """The survey that was begun last, whatever became of it."""
    latest: SurveySummary | None
    """What the save's moving addresses show; null until one is published."""

    @classmethod
    def of(cls, save: Save) -> Self:
        """Name the newest survey and the published one, which may be the same."""
        return cls(
            game=save.game,
            save=save.save,
            surveys=save.surveys,
            newest=SurveySummary.of(save.newest),
            latest=SurveySummary.of(save.latest) if save.latest else None,
        )


class SaveList(BaseModel):
    """Saves by game and name."""

    saves: list[SaveFacts]


def _frame_facts(frame: Frame) -> FrameFacts:
    return FrameFacts(number=frame.number, native_zoom=frame.native_zoom, side_px=frame.side_px)


def _summary(survey: Survey, progress: float, tiles: int) -> dict[str, object]:
    shown = survey.published_revision is not None
    address = f"/tiles/{survey.id}"
    return {
        "id": survey.id,
        "game": survey.spec.game,
        "save": survey.spec.save,
        "state": survey.state,
        "carrier": survey.carrier,
        "reason": survey.reason,
        "withheld": survey.withheld,
        "revision": survey.published_revision,
        "created_at": survey.created_at,
        "finished_at": survey.finished_at,
        "grid": survey.grid,
        "frame_number": survey.mosaic.frame.number if survey.mosaic else None,
        "progress": progress,
        "tiles": tiles,
        "links": SurveyLinks(
            self=f"/api/v1/surveys/{survey.id}",
            map=f"/maps/{survey.id}",
            tilejson=f"{address}/tilejson.json" if shown else None,
            thumbnail=f"/api/v1/surveys/{survey.id}/thumbnail.webp" if shown else None,
            tiles=f"{address}/{{z}}/{{x}}/{{y}}.webp" if shown else None,
        ),
    }
