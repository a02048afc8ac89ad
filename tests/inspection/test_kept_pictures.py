"""No verdict is based on bytes that were not taken in; uploading restores what is lost or damaged."""

from datetime import UTC, datetime, timedelta

import pytest

from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import ImageFlowError, ObjectDamaged, ObjectMissing
from imageflow_domain.inspection import Batch, BatchState, Picture, Verdict
from imageflow_inspection.checks import check_batch
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import run_gave_up, try_again
from imageflow_inspection.report import report_batch
from imageflow_inspection.take_in import take_in
from imageflow_inspection.uploading import BatchUpload
from tests.inspection.lids import lid, published, taken

PICTURES = [lid(), lid(spots=1), lid(spots=2)]
NOW = datetime.now(UTC)
DAMAGED = lid(spots=3)
NEXT_STEP = r"upload this picture again under the same name, .*/p0001.png'.* then inspect the batch 'lid-b1' again"


def second_of(stores: Stores, batch: Batch) -> Picture:
    with stores.database.begin() as connection:
        return batches.pictures(connection, batch.id)[1]


def spoil(stores: Stores, key: str, data: bytes | None) -> None:
    if data is None:
        stores.objects.delete(key)
    else:
        stores.objects.put(key, data)


def kept(stores: Stores, picture: Picture) -> bytes:
    return stores.objects.get(picture.key, next_step="")


@pytest.mark.parametrize(
    ("data", "error"), [(DAMAGED, ObjectDamaged), (b"no picture", ObjectDamaged), (None, ObjectMissing)]
)
def test_a_picture_that_is_not_kept_whole_is_not_judged_until_it_is_uploaded_again(
    any_stores: Stores, data: bytes | None, error: type[ImageFlowError]
) -> None:
    published(any_stores)
    batch = taken(any_stores, "b1", PICTURES)
    picture = second_of(any_stores, batch)
    upload = keys.inspection_upload_file("lid", "b1", picture.name)
    for key in (picture.key, upload):
        spoil(any_stores, key, data)
    with pytest.raises(error, match=NEXT_STEP) as told:
        inspect_batch(any_stores, batch.id, threads=1)
    with any_stores.database.begin() as connection:
        (begun,) = inspections.of_batch(connection, batch.id)
        assert picture.place not in inspections.judged_places(connection, begun.id)
        batch = batches.get(connection, batch.id)
    for _ in range(3):
        batch = run_gave_up(any_stores, batch, str(told.value))
    any_stores.objects.put(upload, PICTURES[1])
    batch = try_again(any_stores, batch.id)
    take_in(any_stores, batch.id)
    done = inspect_batch(any_stores, batch.id)
    assert (done.passed, done.failed, done.undecided) == (1, 2, 0)
    assert kept(any_stores, picture) == PICTURES[1]


@pytest.mark.parametrize("data", [DAMAGED, None])
def test_what_the_upload_still_holds_is_mended_at_once(stores: Stores, data: bytes | None) -> None:
    published(stores)
    batch = taken(stores, "b1", PICTURES)
    picture = second_of(stores, batch)
    spoil(stores, picture.key, data)
    assert inspect_batch(stores, batch.id).failed == 2
    assert kept(stores, picture) == PICTURES[1]
    spoil(stores, picture.key, data)
    assert all(check.holds for check in check_batch(stores, batch.id))
    assert kept(stores, picture) == PICTURES[1]


@pytest.mark.parametrize("data", [DAMAGED, None])
def test_another_batch_with_the_same_picture_is_judged_by_what_was_uploaded(stores: Stores, data: bytes | None) -> None:
    published(stores)
    first = taken(stores, "b1", PICTURES)
    picture = second_of(stores, first)
    assert data is None or len(data) != picture.bytes
    spoil(stores, picture.key, data)
    other = taken(stores, "b2", PICTURES[:2])
    assert kept(stores, picture) == PICTURES[1], "another size is enough, without reading it"
    same_size = bytes(picture.bytes)
    spoil(stores, picture.key, data and same_size)
    done = inspect_batch(stores, other.id)
    assert (done.passed, done.failed, done.undecided) == (1, 1, 0)
    assert kept(stores, picture) == PICTURES[1]


def test_the_same_upload_again_mends_what_was_judged_before(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", [lid(), b"no picture"])
    done = inspect_batch(stores, batch.id)
    picture = second_of(stores, batch)
    for key in (picture.key, keys.inspection_upload_file("lid", "b1", picture.name)):
        stores.objects.delete(key)
    report = report_batch(stores, batch.id)
    (fault,) = (check.faults for check in report.checks if check.name == "checksums")
    assert "upload this picture again under the same name" in fault[0]
    assert report.previews == ()
    with BatchUpload(stores, "lid", "b1") as upload:
        upload.add("p0000.png", lid())
        upload.add("p0001.png", b"no picture")
        again = upload.close(NOW + timedelta(hours=2))
    assert (again.id, again.state, again.inspection_id) == (batch.id, BatchState.INSPECTED, done.id)
    assert all(check.holds for check in check_batch(stores, batch.id))
    assert kept(stores, picture) == b"no picture"
    with stores.database.begin() as connection:
        verdicts = [result.verdict for result in inspections.results(connection, done.id)]
    assert verdicts == [Verdict.PASS, Verdict.UNDECIDED]


@pytest.mark.parametrize("data", [None, b"", b"no picture"])
def test_a_report_shows_a_picture_as_it_was_taken_where_its_drawn_one_is_lost_and_says_so(
    stores: Stores, data: bytes | None
) -> None:
    published(stores)
    batch = taken(stores, "b1", [lid(), lid(spots=1)])
    inspection = inspect_batch(stores, batch.id)
    (drawn,) = report_batch(stores, batch.id).previews
    assert drawn.lost is None
    key = keys.drawn_picture(inspection.id, 1)
    spoil(stores, key, data)
    (preview,) = report_batch(stores, batch.id).previews
    assert (preview.name, preview.verdict) == ("p0001.png", Verdict.FAIL)
    assert preview.jpeg != drawn.jpeg
    assert f"'{key}', 'p0001.png' with its defects drawn" in str(preview.lost)
    assert f"GET /api/v1/inspections/{inspection.id}/results/1 lists its defects" in str(preview.lost)
