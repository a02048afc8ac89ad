"""Surveys in a state that no run has brought about."""

from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey, SurveyState
from imageflow_surveys import states


def in_state(stores: Stores, survey: Survey, state: SurveyState, reason: str | None = None) -> Survey:
    """Put a survey into a state, and return it."""
    with stores.database.begin() as connection:
        rows.set_state(connection, survey.id, state, reason)
    return states.read(stores, survey.id)


def completed(stores: Stores, survey: Survey) -> Survey:
    return in_state(stores, survey, SurveyState.COMPLETED)
