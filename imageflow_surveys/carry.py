"""Start, finish, fail, take up again: a survey's states, whoever carries it."""

from collections.abc import Iterable
from datetime import datetime

from imageflow_clients.database import Connection, heartbeats, layers
from imageflow_clients.database import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict
from imageflow_domain.grid import Block
from imageflow_domain.survey import Carrier, Layer, Survey, SurveyState
from imageflow_surveys.next_step import MAX_ATTEMPTS

SILENCE_S = 30.0
"""Workers and command lines say every five seconds that they are alive; one that was silent for so long is dead."""


def read(stores: Stores, survey: str) -> Survey:
    """Return a survey as it stands; raise `NotFound`."""
    with stores.database.begin() as connection:
        return rows.get(connection, survey)


def missing(stores: Stores, survey: Survey, layer: Layer, blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return those of the blocks whose layer is not whole: a carrier's run, begun again, makes nothing twice."""
    with stores.database.begin() as connection:
        whole = layers.progress(connection, survey.id).done_blocks[layer]
    return tuple(block for block in blocks if block not in whole)


def carrier_name(survey_id: str) -> str:
    """The name under which a survey's command line says that it is alive."""
    return f"command_line/{survey_id}"


def _taken_up(survey_id: str) -> str:
    return f"taken_up/{survey_id}"


def taken_up_at(connection: Connection, survey_id: str) -> datetime | None:
    """Return since when a survey's runs count; `None` where it was never taken up again, and all of them do."""
    return heartbeats.seen_at(connection, _taken_up(survey_id))


def begin(stores: Stores, survey_id: str) -> bool:
    """Let a planned survey run; return whether it does: meanwhile it may have been begun, cancelled or deleted."""
    with stores.database.begin() as connection:
        if not rows.exists(connection, survey_id):
            return False
        state = rows.get(connection, survey_id, lock=True).state
        if state is SurveyState.PLANNED:
            rows.set_state(connection, survey_id, SurveyState.RUNNING)
        return state in {SurveyState.PLANNED, SurveyState.RUNNING}


def take_up(stores: Stores, survey_id: str, carrier: Carrier) -> Survey:
    """Hand a survey that is not being carried to `carrier`, its failed attempts forgotten.

    Raises:
        Conflict: Where somebody else carries it now.
    """
    with stores.database.begin() as connection:
        survey = rows.get(connection, survey_id, lock=True)
        check_not_carried(connection, survey)
        layers.forget_failures(connection, survey.id)
        heartbeats.beat(connection, _taken_up(survey.id))
        rows.set_carrier(connection, survey.id, carrier)
        rows.set_state(connection, survey.id, SurveyState.RUNNING)
        if carrier is Carrier.COMMAND_LINE:
            # its first sign of life: the last one of an earlier command line would get the survey given up again
            heartbeats.beat(connection, carrier_name(survey.id))
        return rows.get(connection, survey.id)


def check_not_carried(connection: Connection, survey: Survey) -> None:
    """Raise `Conflict` while somebody carries a survey; an operator does so only for as long as a run lasts."""
    if survey.state is not SurveyState.RUNNING:
        return
    if survey.carrier is Carrier.SENSOR:
        raise Conflict(
            f"'{survey.id}' is carried by the sensor of `imageflow up`: wait for its end, or cancel its run in Dagster."
        )
    if survey.carrier is Carrier.COMMAND_LINE:
        silent_s = heartbeats.silent_for_s(connection, carrier_name(survey.id))
        if silent_s is not None and silent_s < SILENCE_S:
            raise Conflict(
                f"'{survey.id}' is carried by a command line: wait for its end, or, if it was killed, for "
                f"{SILENCE_S:.0f} seconds."
            )


def finish(stores: Stores, survey: Survey) -> None:
    """Note that nothing is missing any more."""
    with stores.database.begin() as connection:
        if _end(connection, survey, SurveyState.COMPLETED):
            layers.forget_failures(connection, survey.id)


def note_failure(stores: Stores, survey: Survey, layer: Layer, reason: str, run_id: str) -> bool:
    """Count a failed run of a layer; return whether the survey was given up for it."""
    with stores.database.begin() as connection:
        failures = layers.note_failure(connection, survey.id, layer, reason, run_id)
        given_up = failures >= MAX_ATTEMPTS
        if given_up:
            _end(connection, survey, SurveyState.FAILED, f"{layer} failed {failures} times, last: {reason}")
    return given_up


def give_up(stores: Stores, survey: Survey, reason: str) -> None:
    """End a survey that nobody carries any more, with the reason."""
    with stores.database.begin() as connection:
        _end(connection, survey, SurveyState.FAILED, reason)


def cancel(stores: Stores, survey: Survey, reason: str) -> None:
    """End a survey because somebody stopped it, or one of its runs."""
    with stores.database.begin() as connection:
        _end(connection, survey, SurveyState.CANCELLED, reason)


def _end(connection: Connection, survey: Survey, state: SurveyState, reason: str | None = None) -> bool:
    """End a survey; return whether it did: one that a person cancelled at this moment stays so."""
    if rows.get(connection, survey.id, lock=True).state is SurveyState.CANCELLED:
        return False
    rows.set_state(connection, survey.id, state, reason)
    return True


def settle_operators(stores: Stores, survey: Survey, *, begun: bool, done: bool) -> None:
    """Bring the state of a survey that a person carries in Dagster's UI in line with what it has."""
    state = SurveyState.COMPLETED if done else SurveyState.RUNNING if begun else SurveyState.PLANNED
    if survey.state is not state:
        with stores.database.begin() as connection:
            if rows.get(connection, survey.id, lock=True).state is survey.state:  # or somebody has cancelled it
                rows.set_state(connection, survey.id, state)
