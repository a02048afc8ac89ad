"""Read models of surveys: a page, or one in full."""

from collections.abc import Sequence
from dataclasses import dataclass

from imageflow_clients.database.maps import jobs, layers
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.page import Page, cut
from imageflow_domain.survey import Progress, ShotCount, Survey, SurveyState, TaskCount


@dataclass(frozen=True, kw_only=True)
class CountedSurvey:
    """A survey in a list."""

    survey: Survey
    count: TaskCount


@dataclass(frozen=True, kw_only=True)
class SurveyInFull:
    """A survey, and how much of it is there."""

    survey: Survey
    progress: Progress
    shots: ShotCount
    job_id: int | None
    """Of the job that began it; `None` where none did."""


def list_surveys(
    stores: Stores,
    *,
    game: str | None = None,
    save: str | None = None,
    states: Sequence[SurveyState] = (),
    after: str | None = None,
    limit: int = 200,
) -> Page[CountedSurvey]:
    """Return surveys, newest first.

    Args:
        stores: Where they are.
        game: Only of this game.
        save: Only of this save.
        states: Only those in one of these states; all, if there are none.
        after: Only those behind this survey.
        limit: At most so many.
    """
    with stores.database.begin() as connection:
        found = rows.find(connection, game=game, save=save, states=states, after=after, limit=limit + 1)
        page = cut(found, limit, lambda survey: survey.id)
        counts = layers.task_counts(connection, [survey.id for survey in page.items])
    return page.each(lambda survey: CountedSurvey(survey=survey, count=counts[survey.id]))


def survey_in_full(stores: Stores, survey: str) -> SurveyInFull:
    """Return a survey; raise `NotFound`."""
    with stores.database.begin() as connection:
        found = rows.get(connection, survey)
        job = jobs.find_of_survey(connection, survey)
        return SurveyInFull(
            survey=found,
            progress=layers.progress(connection, survey),
            shots=layers.shots(connection, survey),
            job_id=job.id if job else None,
        )
