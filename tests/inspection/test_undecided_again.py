"""Pictures that could not be judged for a passing reason are judged anew on request; people's verdicts stay."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.database.inspection import verifications as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NotFound, StepDied, Unavailable
from imageflow_domain.inference import ModelTask
from imageflow_domain.inspection import BatchState, Inspection, Verdict
from imageflow_inspection.alerts import raise_alerts
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.reinspect import inspect_again
from imageflow_inspection.report import report_batch
from imageflow_inspection.verify import verify
from tests.inspection.lids import lid, published, taken
from tests.inspection.test_identity import with_a_model
from tests.pipelines.models import Arithmetic, Models

PASS, FAIL, UNDECIDED = Verdict.PASS, Verdict.FAIL, Verdict.UNDECIDED


class Ill:
    """A model that dies of dark pictures until it is well."""

    def __init__(self) -> None:
        self.is_well = False
        self.models = Models(heat=Arithmetic(ModelTask.ANOMALY, self._heat))

    def _heat(self, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
        if tensor.max() == 0 and not self.is_well:
            raise StepDied("There is not enough memory for model heat@1: give it smaller pictures.")
        return {"heat": tensor[:, :1]}


DARK = lid(width_px=0)


def verdicts(stores: Stores, inspection: Inspection) -> list[Verdict]:
    with stores.database.begin() as connection:
        return [result.verdict for result in inspections.results(connection, inspection.id)]


def test_undecided_pictures_of_a_named_batch_are_judged_anew_but_those_that_people_verified(stores: Stores) -> None:
    with_a_model(stores)
    ill = Ill()
    batch = taken(stores, "b1", [lid(), DARK, lid(), DARK])
    other = taken(stores, "b2", [lid(), DARK])
    for each in (batch, other):
        inspect_batch(stores, each.id, models=ill.models, threads=1)
    first = report_batch(stores, batch.id, models=ill.models).inspection
    assert verdicts(stores, first) == [PASS, UNDECIDED, PASS, UNDECIDED]
    said = verify(stores, first.id, 3, FAIL, inspector="ada", item="unlike")
    ill.is_well = True
    assert inspect_again(stores, "lid", models=ill.models) == (), "none was named"
    (asked,) = inspect_again(stores, "lid", models=ill.models, names=["b1", "b3"])
    assert (asked.id, asked.state, asked.inspection_id) == (batch.id, BatchState.TAKEN, first.id)
    assert asked.run_key == "lid-b1/1/3"
    assert inspect_again(stores, "lid", models=ill.models, names=["b1"]) == (), "it waits already"
    with pytest.raises(NotFound, match=r"Picture 1|no result"):
        verify(stores, first.id, 1, FAIL, inspector="ada")
    done = inspect_batch(stores, batch.id, models=ill.models, threads=1)
    assert done.id == first.id
    assert verdicts(stores, done) == [PASS, PASS, PASS, UNDECIDED]
    assert (done.pictures, done.passed, done.undecided) == (4, 3, 1)
    with stores.database.begin() as connection:
        assert rows.of_picture(connection, first.id, 3) == (said,)
        assert batches.get(connection, batch.id).state is BatchState.INSPECTED
    assert inspect_again(stores, "lid", models=ill.models, names=["b1"]) == (), "what is left was verified"
    assert all(check.holds for check in report_batch(stores, batch.id, models=ill.models).checks[:4])


def test_a_report_holds_once_pictures_that_could_not_be_judged_pass_and_its_alert_stays(stores: Stores) -> None:
    with_a_model(stores)
    ill = Ill()
    batch = taken(stores, "b1", [lid(), DARK])

    def wrong() -> list[tuple[str, tuple[str, ...]]]:
        checks = report_batch(stores, batch.id, models=ill.models).checks
        return [(check.name, check.faults) for check in checks if not check.holds]

    inspect_batch(stores, batch.id, models=ill.models, threads=1)
    before = wrong()
    (alert,) = raise_alerts(stores)
    assert before == wrong() == [("pictures_pass", (alert.message,))]
    ill.is_well = True
    inspect_again(stores, "lid", models=ill.models, names=["b1"])
    inspect_batch(stores, batch.id, models=ill.models, threads=1)
    assert wrong() == []
    assert raise_alerts(stores) == ()


def test_an_inspection_under_way_does_not_end_without_the_pictures_that_are_asked_for_meanwhile(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", [lid(), b"no picture"])
    inspect_batch(stores, batch.id)
    with stores.database.begin() as connection:
        connection.execute(text("DELETE FROM picture_results WHERE place = 0"))
    with pytest.raises(Unavailable, match="inspect the batch again"):
        inspect_batch(stores, batch.id, watch=lambda *_: inspect_again(stores, "lid", names=["b1"]) and None)
    with stores.database.begin() as connection:
        assert batches.get(connection, batch.id).state is BatchState.TAKEN
    done = inspect_batch(stores, batch.id)
    assert (done.passed, done.undecided) == (1, 1)


def test_a_verdict_that_somebody_gives_meanwhile_is_not_lost(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", [b"no picture"])
    done = inspect_batch(stores, batch.id)
    with ThreadPoolExecutor(1) as threads:
        with stores.database.begin() as connection:
            told = {"notes": "", "seconds": 0.0, "request_id": None, "inspector": "ada", "item": ""}
            assert inspections.hold_result(connection, done.id, 0)
            asking = threads.submit(inspect_again, stores, "lid", names=["b1"])
            with pytest.raises(TimeoutError):
                asking.result(timeout=0.5)
            said, _ = rows.add(connection, batch=batch.id, inspection=done.id, place=0, verdict=FAIL, **told)
        assert asking.result() == ()
    with stores.database.begin() as connection:
        assert rows.of_picture(connection, done.id, 0) == (said,)
