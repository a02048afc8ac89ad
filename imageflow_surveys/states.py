"""A survey's state: who advances it, and how it is taken up, settled and cancelled."""

from collections.abc import Iterable

from imageflow_clients.database import Connection
from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import layers, leases
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.leases import Lease
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict
from imageflow_domain.grid import Block
from imageflow_domain.survey import Carrier, Layer, Survey, SurveyState

SILENCE_S = 30.0
"""Workers send a heartbeat every five seconds; one that was silent for this long is dead."""


def read(stores: Stores, survey: str) -> Survey:
    """Return a survey as it stands; raise `NotFound`."""
    with stores.database.begin() as connection:
        return rows.get(connection, survey)


def missing(stores: Stores, survey: Survey, layer: Layer, blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return those of the blocks whose layer is not whole."""
    with stores.database.begin() as connection:
        whole = layers.progress(connection, survey.id).done_blocks[layer]
    return tuple(block for block in blocks if block not in whole)


def take_up(stores: Stores, survey_id: str, carrier: Carrier) -> Survey:
    """Hand a survey that no run works on to `carrier`, its failed runs forgotten; it is planned until its run begins.

    Raises:
        Conflict: A run works on it now.
    """
    with stores.database.begin() as connection:
        survey = rows.get(connection, survey_id, lock=True)
        check_idle(connection, survey)
        layers.forget_failures(connection, survey.id)
        rows.take_up(connection, survey.id, carrier)
        return rows.get(connection, survey.id)


def check_idle(connection: Connection, survey: Survey) -> None:
    """Raise `Conflict` while a run works on a survey; one whose worker has died does not."""
    lease = leases.find(connection, survey.id)
    if survey.state is not SurveyState.RUNNING or lease is None:
        return
    silent_s = heartbeats.silent_for_s(connection, lease.run_id)
    if silent_s is None or silent_s < SILENCE_S:
        raise Conflict(
            f"Run {lease.run_id} is at work on '{survey.id}': wait for its end, or cancel it in Dagster. If its worker "
            f"was killed, wait {SILENCE_S:.0f} seconds."
        )


def settle(
    stores: Stores,
    survey: Survey,
    lease: Lease | None,
    run_id: str | None,
    state: SurveyState,
    reason: str | None = None,
) -> bool:
    """Bring a survey's state in line with the end of its newest run; return whether it was.

    It is not where the survey changed since it was read: another run took its lease, or it was cancelled.

    Args:
        lease: The survey's, read with it.
        run_id: The run whose end the state reflects.
    """
    with stores.database.begin() as connection:
        now = rows.get(connection, survey.id, lock=True)
        if now != survey or leases.find(connection, survey.id) != lease:
            return False
        if run_id is not None:
            rows.settle(connection, survey.id, run_id)
        if state is SurveyState.COMPLETED:
            layers.forget_failures(connection, survey.id)
        if (now.state, now.reason) != (state, reason):
            rows.set_state(connection, survey.id, state, reason)
        return True


def cancel(stores: Stores, survey_id: str, reason: str) -> None:
    """End a survey because it was stopped."""
    with stores.database.begin() as connection:
        rows.get(connection, survey_id, lock=True)
        rows.set_state(connection, survey_id, SurveyState.CANCELLED, reason)


def note_failure(stores: Stores, survey: Survey, layer: Layer, reason: str, run_id: str, *, progress: bool) -> int:
    """Note a failed run; return how many failed since one made progress.

    Args:
        progress: Whether this one did.
    """
    with stores.database.begin() as connection:
        failures = layers.note_failure(connection, survey.id, layer, reason, run_id)
        if progress:
            layers.forget_failures(connection, survey.id)
        return 0 if progress else failures
