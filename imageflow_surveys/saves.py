"""Saves: those that have a survey."""

from dataclasses import dataclass

from imageflow_clients.database.maps import layers, saves
from imageflow_clients.stores import Stores
from imageflow_surveys.surveys import CountedSurvey


@dataclass(frozen=True, kw_only=True)
class Save:
    """One save of a game."""

    game: str
    save: str
    surveys: int
    newest: CountedSurvey
    """The survey that was begun last."""
    latest: CountedSurvey | None
    """The published survey that the save's addresses show."""


def list_saves(stores: Stores) -> tuple[Save, ...]:
    """Return every save that has a survey, by game and name."""
    with stores.database.begin() as connection:
        found = saves.counted(connection)
        named = {survey.id for save in found for survey in (save.newest, save.latest) if survey}
        counts = layers.task_counts(connection, named)
    return tuple(
        Save(
            game=save.game,
            save=save.save,
            surveys=save.surveys,
            newest=CountedSurvey(survey=save.newest, count=counts[save.newest.id]),
            latest=CountedSurvey(survey=save.latest, count=counts[save.latest.id]) if save.latest else None,
        )
        for save in found
    )
