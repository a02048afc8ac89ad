import threading
from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import text
from typing_extensions import override

from imageflow_clients.database.executions import queue
from imageflow_clients.database.executions.attempts import Ending, StepChange, write
from imageflow_clients.stores import Stores
from imageflow_domain.access import LOCAL_OPERATOR
from imageflow_domain.errors import Conflict
from imageflow_domain.executions import ExecutionRecord, ExecutionState, Priority, StepFacts
from imageflow_executions.history import cancel_execution, get_execution
from imageflow_executions.leases import give_back, renew_leases, requeue_expired, take_next
from imageflow_executions.start import Place, StartRequest, start_execution
from tests.executions.starts import image, small, started


@pytest.fixture(autouse=True)
def empty_queue(stores: Stores) -> None:
    with stores.database.begin() as connection:
        connection.execute(text("DELETE FROM execution_queue"))
        connection.execute(text("DELETE FROM execution_leases"))


def taken(stores: Stores, engine: str = "first") -> ExecutionRecord:
    record = take_next(stores, engine)
    assert record is not None
    return record


def lose(stores: Stores) -> None:
    """Let all leases end, as if their engines had been silent, and mend it."""
    with stores.database.begin() as connection:
        connection.execute(text("UPDATE execution_leases SET until = now() - interval '1 second'"))
    requeue_expired(stores)
    with stores.database.begin() as connection:  # without the pause after a failure
        connection.execute(text("UPDATE execution_queue SET not_before = now() - interval '1 second'"))


def ends(stores: Stores, record: ExecutionRecord, state: ExecutionState = ExecutionState.COMPLETED) -> bool:
    with stores.database.begin() as connection:
        return record.id in write(connection, [], [Ending(record=record, state=state)])


def test_higher_priorities_go_first_and_equal_ones_in_their_order(stores: Stores) -> None:
    low = started(stores, priority=Priority.LOW)
    normal = [started(stores), started(stores)]
    high = started(stores, priority=Priority.HIGH)
    assert [taken(stores).id for _ in range(4)] == [high.id, normal[0].id, normal[1].id, low.id]
    assert take_next(stores, "first") is None


def test_one_of_low_priority_that_waited_for_half_an_hour_goes_before_new_ones_of_high(stores: Stores) -> None:
    low = started(stores, priority=Priority.LOW)
    with stores.database.begin() as connection:
        connection.execute(text("UPDATE execution_queue SET due = due - interval '31 minutes'"))
    started(stores, priority=Priority.HIGH)
    assert taken(stores).id == low.id


def test_engines_that_take_at_once_never_get_the_same(stores: Stores) -> None:
    wanted = {started(stores).id for _ in range(40)}
    found: list[ExecutionRecord] = []

    def take(engine: str) -> None:
        while (record := take_next(stores, engine)) is not None:
            found.append(record)

    threads = [threading.Thread(target=take, args=(f"engine{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert {record.id for record in found} == wanted


def test_what_a_lost_engine_had_waits_again_and_its_writes_change_nothing(stores: Stores) -> None:
    started(stores)
    first = taken(stores, "lost")
    lose(stores)
    second = taken(stores, "other")
    assert (second.id, second.attempt) == (first.id, 2)
    assert renew_leases(stores, "lost", {first.id}) == frozenset()
    assert not ends(stores, first)
    facts = StepFacts(step="decode", place=0, status="done", started_s=0, seconds=1)
    with stores.database.begin() as connection:
        write(connection, [StepChange(execution=first.id, attempt=1, facts=facts, is_end=True)])
    assert get_execution(stores, first.id).steps == ()
    assert ends(stores, second)
    assert get_execution(stores, first.id).record.state is ExecutionState.COMPLETED


def test_an_engine_that_was_silent_and_lost_nothing_yet_goes_on(stores: Stores) -> None:
    started(stores)
    record = taken(stores)
    with stores.database.begin() as connection:
        connection.execute(text("UPDATE execution_leases SET until = now() - interval '1 second'"))
    assert ends(stores, record)


def test_an_engine_that_stops_its_work_without_being_asked_cancels_nothing(stores: Stores) -> None:
    started(stores)
    record = taken(stores)
    assert not ends(stores, record, ExecutionState.CANCELLED)
    assert get_execution(stores, record.id).record.state is ExecutionState.RUNNING


def test_an_execution_that_loses_three_engines_fails(stores: Stores) -> None:
    execution = started(stores).id
    for attempt in (1, 2, 3):
        assert taken(stores).attempt == attempt
        lose(stores)
    assert take_next(stores, "first") is None
    found = get_execution(stores, execution).record
    assert found.state is ExecutionState.FAILED
    assert found.error is not None
    assert found.error.code == "ENGINE_LOST"
    assert "lost or stores down 2 times before" in found.error.message


def test_engines_that_stop_in_order_do_not_use_up_attempts(stores: Stores) -> None:
    execution = started(stores).id
    for _ in range(5):
        taken(stores)
        give_back(stores, "first", execution)
    found = get_execution(stores, execution).record
    assert (found.state, found.attempt, found.failures) == (ExecutionState.QUEUED, 5, 0)


def test_an_execution_waits_after_a_failure_and_others_go_first(stores: Stores) -> None:
    execution = started(stores).id
    taken(stores)
    with stores.database.begin() as connection:
        queue.give_back(connection, "first", execution, reason="The store is down.", pause=timedelta(seconds=60))
    other = started(stores).id
    assert taken(stores).id == other
    assert take_next(stores, "first") is None
    assert get_execution(stores, execution).record.failures == 1


def test_what_an_engine_no_longer_works_on_loses_its_lease_though_the_engine_goes_on(stores: Stores) -> None:
    given_up, held = started(stores).id, started(stores).id
    assert {taken(stores).id, taken(stores).id} == {given_up, held}
    with stores.database.begin() as connection:
        connection.execute(text("UPDATE execution_leases SET until = now() + interval '1 second'"))
    assert renew_leases(stores, "first", {held}) == {held}
    with stores.database.begin() as connection:
        left = connection.execute(
            text("SELECT execution_id FROM execution_leases WHERE until > now() + interval '5 seconds'")
        )
        assert left.scalars().all() == [held]


def test_cancelling_while_engines_take_and_end_never_deadlocks(stores: Stores) -> None:
    executions = [started(stores).id for _ in range(40)]
    failed: list[Exception] = []

    def take_and_end(engine: str) -> None:
        try:
            while (record := take_next(stores, engine)) is not None:
                ends(stores, record)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            failed.append(error)

    def cancel() -> None:
        for execution in executions:
            try:
                cancel_execution(stores, execution)
            except Conflict:
                continue
            except Exception as error:  # noqa: BLE001 - the test looks at it
                failed.append(error)

    threads = [threading.Thread(target=take_and_end, args=(name,)) for name in ("one", "two")]
    threads += [threading.Thread(target=cancel) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert {get_execution(stores, execution).record.state for execution in executions} <= {
        ExecutionState.COMPLETED,
        ExecutionState.CANCELLED,
    }


def test_one_that_was_to_be_cancelled_when_its_engine_was_lost_is_cancelled(stores: Stores) -> None:
    started(stores)
    record = taken(stores)
    assert cancel_execution(stores, record.id).state is ExecutionState.RUNNING
    lose(stores)
    assert get_execution(stores, record.id).record.state is ExecutionState.CANCELLED


def test_one_that_waits_is_cancelled_at_once_and_again_changes_nothing(stores: Stores) -> None:
    record = started(stores)
    for _ in range(2):
        assert cancel_execution(stores, record.id).state is ExecutionState.CANCELLED
    assert take_next(stores, "first") is None
    assert get_execution(stores, record.id).cursor.seq == 2


def test_one_that_has_completed_is_not_cancelled(stores: Stores) -> None:
    started(stores)
    record = taken(stores)
    assert ends(stores, record)
    with pytest.raises(Conflict, match="has completed already"):
        cancel_execution(stores, record.id)


def test_changes_of_steps_that_are_written_again_change_nothing(stores: Stores) -> None:
    started(stores)
    record = taken(stores)
    running = StepFacts(step="decode", place=0, status="running", started_s=0, seconds=0)
    done = StepFacts(
        step="decode", place=0, status="done", started_s=0, seconds=0.5, tries=({"seconds": 0.5, "error": ""},)
    )
    changes = [
        StepChange(execution=record.id, attempt=1, facts=running, is_end=False),
        StepChange(execution=record.id, attempt=1, facts=done, is_end=True),
    ]
    for some in (changes, changes, changes[:1]):
        with stores.database.begin() as connection:
            write(connection, some)
    found = get_execution(stores, record.id)
    assert found.steps == (done,)
    assert found.cursor.seq == 4  # queued, running, and two of the step


def test_leases_that_are_renewed_are_not_lost(stores: Stores) -> None:
    started(stores)
    record = taken(stores)
    with stores.database.begin() as connection:
        connection.execute(text("UPDATE execution_leases SET until = now() + interval '1 second'"))
        assert queue.renew(connection, "first", [record.id], lease=timedelta(seconds=60)) == {record.id}
        left = connection.execute(
            text("SELECT until - now() > interval '50 seconds' FROM execution_leases")
        ).scalar_one()
    assert left
    requeue_expired(stores)
    assert get_execution(stores, record.id).record.state is ExecutionState.RUNNING


class _Place(Place):
    """A place that keeps what begins there."""

    def __init__(self) -> None:
        self.begun: list[ExecutionRecord] = []

    @property
    @override
    def engine(self) -> str:
        return "first"

    @override
    def begin(self, record: ExecutionRecord, sources: Mapping[str, bytes]) -> None:
        assert set(sources) == set(record.inputs)
        self.begun.append(record)


def test_an_execution_begins_at_once_only_where_a_place_is_given_and_no_other_waits(stores: Stores) -> None:
    request = StartRequest(spec=small(), protocol="test")
    place = _Place()
    at_once = start_execution(stores, request, {"picture": image()}, LOCAL_OPERATOR, place=place)
    assert place.begun == [at_once]
    assert (at_once.state, at_once.attempt) == (ExecutionState.RUNNING, 1)
    assert get_execution(stores, at_once.id).record == at_once
    assert renew_leases(stores, "first", {at_once.id}) == {at_once.id}
    waits = started(stores)
    behind = start_execution(stores, request, {"picture": image()}, LOCAL_OPERATOR, place=place)
    assert place.begun == [at_once]
    assert [taken(stores).id for _ in range(2)] == [waits.id, behind.id]
    assert ends(stores, at_once)
    assert not ends(stores, at_once)
