"""A batch's events in the log: each change once, and nothing where nothing changed."""

from typing import Any

import pytest

from imageflow_clients.database.core import events
from imageflow_clients.database.inspection import batches
from imageflow_clients.stores import Stores
from imageflow_domain.batch_events import Kind, batch_of, subject_of
from imageflow_domain.errors import Conflict, InvalidInput
from imageflow_domain.events import BEGINNING, Event
from imageflow_domain.inspection import Batch, Verdict
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import ATTEMPTS, run_gave_up, try_again
from imageflow_inspection.reinspect import inspect_again
from imageflow_inspection.verify import verify
from tests.inspection.lids import items, lid, next_master, published, taken


def told(stores: Stores, batch: Batch) -> list[tuple[str, dict[str, Any]]]:
    with stores.database.begin() as connection:
        found = events.read_subject(connection, subject_of(batch.id), after=BEGINNING, limit=100)
    return [(one.event.kind, dict(one.event.data)) for one in found]


def kinds(stores: Stores, batch: Batch) -> list[str]:
    return [kind for kind, _ in told(stores, batch)]


def waiting(attempts: int, version: int = 1) -> tuple[str, dict[str, Any]]:
    return (Kind.WAITING, {"key": "lid-b1", "version": version, "attempts": attempts})


def test_a_batch_waits_and_is_inspected_and_people_judge_it(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", [lid(), lid(spots=1)])
    inspection = inspect_batch(stores, batch.id)
    inspect_batch(stores, batch.id)  # changes nothing
    said = [verify(stores, inspection.id, 1, Verdict.PASS, inspector="ada", request_id="r") for _ in range(2)]
    with pytest.raises(InvalidInput):
        verify(stores, inspection.id, 1, Verdict.UNDECIDED, inspector="ada")
    verdict = {
        "verification": said[0].id,
        "inspection": inspection.id,
        "place": 1,
        "item": "",
        "verdict": "pass",
    }
    assert told(stores, batch) == [
        waiting(0),
        (Kind.INSPECTED, {"inspection": inspection.id}),
        (Kind.VERDICT, verdict),
    ]


def test_each_version_of_a_batch_is_a_subject_of_its_own(stores: Stores) -> None:
    published(stores)
    first, second = taken(stores, "b1", [lid()]), taken(stores, "b1", [lid(spots=1)])
    assert told(stores, first) == [waiting(0)]
    assert told(stores, second) == [waiting(0, version=2)]
    assert batch_of(Event(subject=subject_of(second.id), kind=Kind.WAITING)) == second.id
    assert batch_of(Event(subject="survey/batch-0001", kind="state")) is None


def test_a_batch_is_given_up_once_with_its_last_run_and_waits_once_it_is_asked_for_again(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", [lid()])
    for _ in range(ATTEMPTS):
        with stores.database.begin() as connection:
            before = batches.get(connection, batch.id)
        for _ in range(2):
            run_gave_up(stores, before, "no memory")  # the second time changes nothing
    try_again(stores, batch.id)
    with pytest.raises(Conflict):
        try_again(stores, batch.id)
    assert told(stores, batch) == [waiting(0), (Kind.GIVEN_UP, {"attempts": 3}), waiting(3)]


def test_batches_that_are_judged_again_wait_and_others_do_not(stores: Stores) -> None:
    published(stores)
    batch, other = taken(stores, "b1", [lid(spots=1)]), taken(stores, "b2", [lid()])
    for each in (batch, other):
        inspect_batch(stores, each.id)
    assert inspect_again(stores, "lid") == ()
    next_master(stores, "lid", items(most_spots=1))
    inspect_batch(stores, other.id)
    inspect_again(stores, "lid")
    assert kinds(stores, batch) == [Kind.WAITING, Kind.INSPECTED, Kind.WAITING]
    assert kinds(stores, other) == [Kind.WAITING, Kind.INSPECTED, Kind.INSPECTED]
