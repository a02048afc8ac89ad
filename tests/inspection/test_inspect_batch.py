"""Batches are judged right, once, whatever is killed, and former judgements stay."""

from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.stores import Stores
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, NotReady, StepDied
from imageflow_domain.inference import ModelTask
from imageflow_domain.inspection import BatchState, PictureResult, Verdict
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import IntakeCursor, notice_batches
from imageflow_inspection.masters import create_product
from tests.images.kinds import exif, with_segment
from tests.inspection.lids import items, lid, lid_pipeline, next_master, published, taken, upload
from tests.inspection.test_identity import with_a_model
from tests.pipelines.models import Arithmetic, Models

PASS, FAIL, UNDECIDED = Verdict.PASS, Verdict.FAIL, Verdict.UNDECIDED
PICTURES = [lid(), lid(spots=1), lid(width_px=104), lid(spots=5), b"no picture", lid(height_px=50)]
TRUTH = [PASS, FAIL, FAIL, FAIL, UNDECIDED, PASS]


def results(stores: Stores, inspection: int) -> tuple[PictureResult, ...]:
    with stores.database.begin() as connection:
        return inspections.results(connection, inspection)


def test_every_picture_is_judged_by_every_item_as_it_was_drawn(any_stores: Stores) -> None:
    wanted: list[dict[str, Any]] = [
        *items(),
        {
            "code": "lot",
            "name": "Lot",
            "type": "TEXT",
            "pipeline": "lids@1",
            "criteria": {"expected": "LOT-*", "match": "like"},
            "required": False,
        },
    ]
    master = published(any_stores, wanted=wanted)
    batch = taken(any_stores, "b1", [*PICTURES, lid(code="LOT-77")])
    done = inspect_batch(any_stores, batch.id)
    found = results(any_stores, done.id)
    assert [result.verdict for result in found] == [*TRUTH, PASS]
    assert (done.pictures, done.passed, done.failed, done.undecided) == (7, 3, 3, 1)
    verdicts = [{item.item: item.verdict for item in result.items} for result in found]
    assert verdicts[3] == {"spots": FAIL, "length": PASS, "count": FAIL, "lot": FAIL}
    assert [verdict["lot"] for verdict in verdicts] == [FAIL, FAIL, FAIL, FAIL, UNDECIDED, FAIL, PASS]
    length = next(item for item in found[2].items if item.item == "length")
    assert length.details["measured"] == [
        {"measurement": "length", "value": 52.0, "unit": "mm", "least": 49.5, "most": 50.5}
    ]
    assert "is no JPEG" in found[4].items[0].details["reason"]
    assert done.master_version == master.version
    assert {by.code: by.pipeline for by in done.judged_by}["spots"] == "lids@1"
    with any_stores.database.begin() as connection:
        after = batches.get(connection, batch.id)
    assert (after.state, after.inspection_id) == (BatchState.INSPECTED, done.id)


def test_what_did_not_pass_has_a_picture_with_the_defects_drawn(stores: Stores) -> None:
    published(stores)
    found = results(stores, inspect_batch(stores, taken(stores, "b1", PICTURES).id).id)
    assert [result.drawn_key is not None for result in found] == [False, True, True, True, False, False]
    assert found[1].drawn_key is not None
    drawn = cv2.imdecode(np.frombuffer(stores.objects.get(found[1].drawn_key, next_step=""), np.uint8), 1)
    original = cv2.imdecode(np.frombuffer(PICTURES[1], np.uint8), 1)
    assert drawn.shape == original.shape
    assert (np.abs(drawn.astype(int) - original).max(axis=2) > 60).sum() > 50


def _published_with_version_2_of_decode(stores: Stores) -> None:
    spec = lid_pipeline(2)
    spec["steps"]["decode"]["use"] = "decode@2"
    publish_pipeline(stores, spec)
    create_product(stores, "lid", "A lid")
    next_master(stores, "lid", items("lids@2"))


def _deep_lid() -> bytes:
    """A PNG of 16 bits a channel."""
    grey = cv2.imdecode(np.frombuffer(lid(spots=1), np.uint8), cv2.IMREAD_GRAYSCALE)
    done, data = cv2.imencode(".png", grey.astype(np.uint16) * 257)
    assert done
    return data.tobytes()


def test_boxes_are_drawn_on_the_picture_as_the_pipeline_saw_it(stores: Stores) -> None:
    """Version 2 of `decode` reads pictures that version 1 refuses, and what is wrong with them is drawn as well."""
    _published_with_version_2_of_decode(stores)
    (found,) = results(stores, inspect_batch(stores, taken(stores, "b1", [_deep_lid()]).id).id)
    assert (found.verdict, found.drawn_key is not None) == (FAIL, True)


def test_a_phones_picture_is_drawn_on_the_way_up_that_its_pipeline_saw(stores: Stores) -> None:
    """Its EXIF has its header twice: version 1 of `decode` does not turn it, version 2 does."""
    done, jpeg = cv2.imencode(".jpg", cv2.imdecode(np.frombuffer(lid(spots=1), np.uint8), 1))
    assert done
    data = with_segment(jpeg.tobytes(), 0xE1, b"Exif\0\0" + exif(6))
    published(stores)
    (found,) = results(stores, inspect_batch(stores, taken(stores, "b1", [data]).id).id)
    assert found.drawn_key is not None
    drawn = cv2.imdecode(np.frombuffer(stores.objects.get(found.drawn_key, next_step=""), np.uint8), 1)
    assert drawn.shape == (200, 240, 3)


def test_an_inspection_that_was_stopped_goes_on_and_ends_with_the_same_rows(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", PICTURES * 3)
    stop, seen = Cancellation(), []

    def watch(done: int, of: int) -> None:
        seen.append((done, of))
        if done == 5:
            stop.cancel("enough")

    with pytest.raises(Cancelled):
        inspect_batch(stores, batch.id, cancellation=stop, watch=watch)
    with stores.database.begin() as connection:
        assert batches.get(connection, batch.id).state is BatchState.TAKEN
        (begun,) = inspections.of_batch(connection, batch.id)
    before = results(stores, begun.id)
    assert 5 <= len(before) < 18
    done = inspect_batch(stores, batch.id)
    assert done.id == begun.id
    after = results(stores, done.id)
    assert [result for result in after if result.picture.place in {each.picture.place for each in before}] == list(
        before
    )
    assert [result.verdict for result in after] == TRUTH * 3
    assert inspect_batch(stores, batch.id) == done
    assert results(stores, done.id) == after


def test_a_changed_criterion_judges_anew_and_leaves_the_former_results_readable(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", PICTURES)
    first = inspect_batch(stores, batch.id)
    before = results(stores, first.id)
    next_master(stores, "lid", items(most_spots=1))
    second = inspect_batch(stores, batch.id)
    assert second.id != first.id
    assert (first.master_version, second.master_version) == (1, 2)
    assert [result.verdict for result in results(stores, second.id)] == [PASS, PASS, FAIL, FAIL, UNDECIDED, PASS]
    assert results(stores, first.id) == before


def test_a_master_that_only_reads_otherwise_judges_nothing_anew(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", PICTURES)
    first = inspect_batch(stores, batch.id)
    next_master(stores, "lid", [{**item, "name": "Other words"} for item in items()])
    assert inspect_batch(stores, batch.id) == first


def test_a_batch_that_was_not_taken_in_is_not_inspected(stores: Stores) -> None:
    published(stores)
    upload(stores, "lid", "b1", [lid()])
    (batch,) = notice_batches(stores, IntakeCursor(), now=datetime.now(UTC) + timedelta(hours=1)).closed
    with pytest.raises(NotReady, match="materialise batch_images"):
        inspect_batch(stores, batch.id)


@pytest.mark.parametrize(("deaths", "verdict", "calls"), [(1, PASS, 2), (9, UNDECIDED, 2)])
def test_a_picture_that_a_step_dies_of_twice_is_undecided_and_holds_up_no_other(
    stores: Stores, deaths: int, verdict: Verdict, calls: int
) -> None:
    with_a_model(stores)
    died = 0
    asked = 0

    def heat(tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
        nonlocal asked, died
        if tensor.max() == 0:
            asked += 1
            if died < deaths:
                died += 1
                raise StepDied("There is not enough memory for model heat@1: give it smaller pictures.")
        return {"heat": tensor[:, :1]}

    batch = taken(stores, "b1", [lid(), lid(width_px=0), lid()])
    done = inspect_batch(stores, batch.id, models=Models(heat=Arithmetic(ModelTask.ANOMALY, heat)), threads=1)
    found = results(stores, done.id)
    assert [result.verdict for result in found] == [PASS, verdict, PASS]
    assert asked == calls
    if verdict is UNDECIDED:
        assert "not enough memory" in found[1].items[0].details["reason"]
