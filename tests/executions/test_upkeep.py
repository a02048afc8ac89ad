"""Months that are no longer kept go with their objects, and so does what no execution refers to."""

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.access import LOCAL_OPERATOR
from imageflow_domain.errors import NotFound
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import ExecutionState, created_month, first_id, new_id
from imageflow_engine.resident import Resident
from imageflow_executions.history import cancel_execution, get_execution
from imageflow_executions.image_objects import put_input
from imageflow_executions.start import StartRequest, start_execution
from imageflow_executions.upkeep import drop_months, sweep_objects
from tests.executions.starts import ended, image, small

_NOW = timedelta(0)

Running = Callable[..., AbstractContextManager[Resident]]


def test_objects_of_an_execution_stay_and_others_go(stores: Stores, running: Running) -> None:
    with running():
        record = ended(stores, _start(stores)).record
    assert record.state is ExecutionState.COMPLETED
    never_accepted = put_input(stores, _id(timedelta(hours=1)), "picture", image(1), "0" * 64)
    output = next(each for each in record.outputs.values() if each is not None)
    replaced = output.key.replace(f"/{record.attempt}/", f"/{record.attempt + 7}/")
    stores.objects.put(replaced, b"of an engine that was suspended")
    foreign = f"{keys.EXECUTIONS}/{created_month(record.id)}/notes/mine.txt"
    stores.objects.put(foreign, b"a note of a person")

    assert sweep_objects(stores) == 0, "younger than the grace"
    assert sweep_objects(stores, grace=_NOW, dry_run=True) == 2
    assert stores.objects.exists(replaced)
    assert sweep_objects(stores, grace=_NOW) == 2
    assert not stores.objects.exists(never_accepted.key)
    assert not stores.objects.exists(replaced)
    assert stores.objects.exists(foreign)
    for each in (*record.inputs.values(), *record.outputs.values()):
        assert each is not None
        assert stores.objects.exists(each.key)
    assert sweep_objects(stores, grace=_NOW) == 0


def test_an_execution_that_has_not_ended_keeps_all_its_objects(stores: Stores) -> None:
    waiting = _start(stores)
    made = put_input(stores, waiting, "other", image(2), "0" * 64)
    assert sweep_objects(stores, grace=_NOW) == 0
    cancel_execution(stores, waiting)
    assert sweep_objects(stores, grace=_NOW) == 1
    assert not stores.objects.exists(made.key)


def test_a_month_is_swept_until_a_week_after_its_end(stores: Stores) -> None:
    long_ago = put_input(stores, _id(timedelta(days=70)), "picture", image(3), "0" * 64)
    assert sweep_objects(stores) == 0
    assert stores.objects.exists(long_ago.key)
    stores.objects.delete(long_ago.key)


@pytest.mark.parametrize("keep", [None, 1, 2])
def test_months_that_are_kept_stay(stores: Stores, keep: int | None) -> None:
    old = _old(stores, months=keep or 12)
    assert drop_months(stores, keep=keep).dropped == ()
    assert get_execution(stores, old).record.id == old
    _forget(stores, old)


def test_an_old_month_goes_with_objects_rows_and_keys(stores: Stores) -> None:
    old, young = _old(stores, months=3, key="once"), _start(stores)
    key = next(iter(get_execution(stores, old).record.inputs.values())).key
    assert drop_months(stores, keep=2, dry_run=True).dropped == (created_month(old),)
    assert stores.objects.exists(key)
    assert drop_months(stores, keep=2).dropped == (created_month(old),)
    assert not stores.objects.exists(key)
    with pytest.raises(NotFound, match=str(old)):
        get_execution(stores, old)
    assert _start(stores, key="once") != old, "the key is free again"
    assert _subjects(stores, old) == 0
    assert get_execution(stores, young).record.state is ExecutionState.QUEUED
    assert drop_months(stores, keep=2).dropped == ()


def test_a_month_with_an_unfinished_execution_stays_whole(stores: Stores) -> None:
    old = _old(stores, months=4, state="queued")
    found = drop_months(stores, keep=2)
    assert (found.dropped, found.unfinished) == ((), (created_month(old),))
    assert get_execution(stores, old).record.id == old
    _forget(stores, old)


def test_a_month_that_is_being_read_makes_nobody_wait_and_goes_the_next_time(stores: Stores) -> None:
    old = _old(stores, months=6)
    with stores.database.begin() as reader:
        reader.execute(text("SELECT count(*) FROM executions"))  # holds its lock up to its end, as a backup does
        found = drop_months(stores, keep=2)
        assert (found.dropped, found.busy) == ((), (created_month(old),))
        assert _subjects(stores, old) == 1
        assert get_execution(stores, _start(stores)).record.state is ExecutionState.QUEUED
    assert drop_months(stores, keep=2).dropped == (created_month(old),)


def test_a_drop_that_was_killed_between_objects_and_rows_goes_on(stores: Stores) -> None:
    old = _old(stores, months=5)
    stores.objects.delete_prefix(f"{keys.EXECUTIONS}/{created_month(old)}")
    assert drop_months(stores, keep=2).dropped == (created_month(old),)
    with pytest.raises(NotFound):
        get_execution(stores, old)


def _subjects(stores: Stores, execution: uuid.UUID) -> int:
    with stores.database.begin() as connection:
        asked = text("SELECT count(*) FROM event_subjects WHERE subject = :subject")
        return int(connection.execute(asked, {"subject": subject_of(execution)}).scalar_one())


def _start(stores: Stores, *, key: str | None = None, execution: uuid.UUID | None = None) -> uuid.UUID:
    request = StartRequest(spec=small(), key=key, protocol="rest")
    return start_execution(stores, request, {"picture": image()}, LOCAL_OPERATOR, execution).id


def _old(stores: Stores, *, months: int, state: str = "cancelled", key: str | None = None) -> uuid.UUID:
    """Return an execution that was made so many months ago."""
    now = datetime.now(UTC)
    month = now.year * 12 + now.month - 1 - months
    began = datetime(month // 12, month % 12 + 1, 15, tzinfo=UTC)
    old = _id_of(began)
    end = datetime((month + 1) // 12, (month + 1) % 12 + 1, 1, tzinfo=UTC)
    name = f"{began:%Y_%m}"
    begin_id, end_id = first_id(began.replace(day=1)), first_id(end)
    with stores.database.begin() as connection:
        for table in ("executions", "execution_steps", "execution_logs"):
            bounds = f"FROM ('{begin_id}') TO ('{end_id}')"
            connection.execute(text(f"CREATE TABLE {table}_{name} PARTITION OF {table} FOR VALUES {bounds}"))
    _start(stores, key=key, execution=old)
    with stores.database.begin() as connection:
        connection.execute(text("DELETE FROM execution_queue WHERE execution_id = :id"), {"id": old})
        connection.execute(text("UPDATE executions SET state = :state WHERE id = :id"), {"id": old, "state": state})
    return old


def _id(age: timedelta) -> uuid.UUID:
    return _id_of(datetime.now(UTC) - age)


def _id_of(moment: datetime) -> uuid.UUID:
    return uuid.UUID(int=first_id(moment).int | new_id().int & ((1 << 80) - 1))


def _forget(stores: Stores, old: uuid.UUID) -> None:
    with stores.database.begin() as connection:
        connection.execute(text("UPDATE executions SET state = 'cancelled' WHERE id = :id"), {"id": old})
    assert drop_months(stores, keep=0).dropped == (created_month(old),)
