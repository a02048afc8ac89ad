"""Inspection over the API: batches from upload to verdict, people, statistics."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.inference.opening import open_models
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.inspection import Batch
from imageflow_gateway.app import create_app
from imageflow_inspection.alerts import raise_alerts
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.intake import IntakeCursor, notice_batches, run_gave_up
from imageflow_inspection.statistics import count_touched_days
from imageflow_inspection.take_in import take_in
from imageflow_models.drawing import to_png
from imageflow_models.products import Split, draw
from tests.gateway.answers import V1, ok
from tests.gateway.model_files import DETECTOR, bundle
from tests.inspection.drawn import detector_items, detector_pipeline
from tests.inspection.lids import items, lid

LIDS = {"a.png": lid(), "b.png": lid(spots=1), "c.png": b"no picture"}


def _files(pictures: dict[str, bytes]) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("pictures", (name, data, "image/png")) for name, data in pictures.items()]


@pytest.fixture
def upload(client: Any, product: str) -> Callable[..., Any]:
    def send(name: str, pictures: dict[str, bytes] = LIDS) -> Any:
        return client.post(f"{V1}/batches", params={"product": product, "name": name}, files=_files(pictures))

    return send


@pytest.fixture
def inspected(stores: Stores, upload: Callable[..., Any]) -> dict[str, Any]:
    """A batch that a running stack would have inspected by now."""
    batch: dict[str, Any] = ok(upload("b1"), 202)
    take_in(stores, batch["id"])
    inspect_batch(stores, batch["id"])
    return batch


def test_an_uploaded_batch_waits_to_be_inspected_and_the_same_again_is_the_same(
    client: Any, stores: Stores, product: str, upload: Callable[..., Any]
) -> None:
    answer = upload("b1")
    batch = ok(answer, 202)
    assert (batch["key"], batch["state"], batch["pictures"]) == (f"{product}-b1", "closed", 3)
    assert answer.headers["location"] == f"{V1}/batches/{batch['id']}"
    assert stores.objects.get(keys.inspection_upload_file(product, "b1", "b.png"), next_step="") == LIDS["b.png"]
    assert ok(upload("b1"), 202)["id"] == batch["id"]
    assert batch.pop("skipped") == []
    assert ok(client.get(f"{V1}/batches", params={"product": product}))["batches"] == [batch]
    assert [path for path in stores.scratch.iterdir() if path.is_file()] == []


@pytest.mark.parametrize(
    ("pictures", "status", "said"),
    [
        ({}, 400, "multipart"),
        ({"a.png": lid(), "b.tif": b"x"}, 400, "'b.tif' is not taken"),
        ({"a.png": lid(), "../b.png": b"x"}, 400, "valid file name"),
        ({"a.png": lid(), "b.png": bytes(100_001)}, 413, "'b.png' is larger than the 100,000 bytes"),
    ],
)
def test_a_batch_is_taken_whole_or_not_at_all(
    stores: Stores,
    product: str,
    upload: Callable[..., Any],
    pictures: dict[str, bytes],
    status: int,
    said: str,
) -> None:
    assert said in ok(upload("b1", pictures), status)["error"]["message"]
    assert list(stores.objects.list(f"{keys.inspection_upload(product, 'b1')}/")) == []
    assert [path for path in stores.scratch.iterdir() if path.is_file()] == []


def test_other_pictures_under_a_name_that_is_taken_are_refused_and_change_nothing(
    stores: Stores, product: str, upload: Callable[..., Any]
) -> None:
    ok(upload("b1"), 202)
    for pictures in ({**LIDS, "a.png": lid(spots=3), "d.png": lid()}, {"d.png": lid()}):
        assert "There is a batch 'b1'" in ok(upload("b1", pictures), 409)["error"]["message"]
    there = {stored.key.rpartition("/")[2] for stored in stores.objects.list(keys.inspection_upload(product, "b1"))}
    assert there == LIDS.keys()


def test_a_body_that_breaks_off_leaves_nothing(client: Any, stores: Stores, product: str) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="%s"\r\n\r\n'
    body = head % b"a.png" + lid() + b"\r\n" + head % b"b.png" + lid()[:100]
    answer = client.post(
        f"{V1}/batches",
        params={"product": product, "name": "b1"},
        content=body,
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert "breaks off" in ok(answer, 400)["error"]["message"]
    assert list(stores.objects.list(f"{keys.inspection_upload(product, 'b1')}/")) == []


def test_more_than_a_batch_may_have_is_refused_by_its_stated_length(
    ask: Callable[..., Any], settings: Settings, stores: Stores, product: str
) -> None:
    app = create_app(settings.model_copy(update={"batch_limit_bytes": 1000, "model_limit_bytes": 1000}), stores)
    with ask(app, port=settings.gateway_port) as client:
        for path in (f"batches?product={product}&name=b1", "models"):
            answer = client.post(f"{V1}/{path}", files=_files({"a.png": bytes(2000)}))
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")
    assert list(stores.objects.list(f"{keys.inspection_upload(product, 'b1')}/")) == []


def test_a_product_that_cannot_be_inspected_takes_no_batch(client: Any) -> None:
    code = f"lid_{uuid4().hex[:8]}"
    params = {"product": code, "name": "b1"}
    assert client.post(f"{V1}/batches", params=params, files=_files(LIDS)).status_code == 404
    client.post(f"{V1}/masters", json={"code": code, "name": "A lid"})
    error = ok(client.post(f"{V1}/batches", params=params, files=_files(LIDS)), 409)["error"]
    assert error["code"] == "NOT_READY"


def test_a_batch_says_how_it_was_judged(client: Any, inspected: dict[str, Any], settings: Settings) -> None:
    told = ok(client.get(f"{V1}/batches/{inspected['id']}"))
    assert (told["state"], told["judged"]) == ("inspected", 3)
    assert told["counts"] == {"pictures": 3, "passed": 1, "failed": 1, "undecided": 1}
    assert told["inspections"][0]["id"] == told["inspection_id"]
    assert told["dagster_url"].startswith(f"{settings.dagster_pages_url}/assets/inspection_results")
    (listed,) = ok(client.get(f"{V1}/batches", params={"product": told["product"], "state": "inspected"}))["batches"]
    assert listed["counts"] == told["counts"]


def test_only_a_batch_that_failed_is_tried_again(client: Any, stores: Stores, upload: Callable[..., Any]) -> None:
    batch = ok(upload("b1"), 202)
    assert client.post(f"{V1}/batches/{batch['id']}/retry").status_code == 409
    for _ in range(3):
        with stores.database.begin() as connection:
            asked = batches.get(connection, batch["id"])
        run_gave_up(stores, asked, "no memory")
    failed = ok(client.get(f"{V1}/batches/{batch['id']}"))
    assert (failed["state"], failed["reason"]) == ("failed", "no memory")
    assert ok(client.post(f"{V1}/batches/{batch['id']}/retry"), 202)["state"] == "closed"


def test_stale_batches_are_listed_with_their_cost_and_wait_when_asked_for(
    client: Any, stores: Stores, product: str, upload: Callable[..., Any]
) -> None:
    made = []
    for name in ("b1", "b2", "b3"):
        made.append(ok(upload(name), 202)["id"])
        take_in(stores, made[-1])
        inspect_batch(stores, made[-1])
    assert ok(client.get(f"{V1}/batches/stale", params={"product": product}))["batches"] == []
    draft = ok(client.post(f"{V1}/masters/{product}/versions", json={"items": items(most_spots=1)}), 201)
    ok(client.post(f"{V1}/masters/{product}/versions/2/publish", json={"revision": draft["revision"]}))
    page = ok(client.get(f"{V1}/batches/stale", params={"product": product, "limit": 2}))
    assert [each["batch"]["name"] for each in page["batches"]] == ["b1", "b2"]
    assert page["batches"][0]["changes"] == ["item 'spots': criteria"]
    assert (page["pictures"], page["next"]) == (6, "b2")
    assert page["seconds"] > 0

    def ask(names: Sequence[str] | None) -> list[str]:
        body = {"product": product, "batches": names}
        return [each["name"] for each in ok(client.post(f"{V1}/batches/stale", json=body), 202)["batches"]]

    assert ask(["b2", "b9"]) == ["b2"]
    assert ask(None) == ["b1", "b3"]
    assert ask(None) == []
    waiting = ok(client.get(f"{V1}/batches/{made[1]}"))
    assert (waiting["state"], waiting["counts"]["failed"]) == ("taken", 1)
    with stores.database.begin() as connection:
        again: Batch = batches.get(connection, made[1])
    assert again.run_key == f"{product}-b2/1/3"
    inspect_batch(stores, made[1])
    done = ok(client.get(f"{V1}/batches/{made[1]}"))
    assert (done["state"], done["counts"]["failed"], len(done["inspections"])) == ("inspected", 0, 2)


def test_uploads_that_are_no_batches_are_listed_with_the_reason(client: Any, stores: Stores) -> None:
    code = f"none_{uuid4().hex[:8]}"
    for name in ("b1", "b2"):
        stores.objects.put(keys.inspection_upload_file(code, name, "a.png"), lid())
    notice_batches(stores, IntakeCursor(), now=datetime.now(UTC) + timedelta(hours=1))
    before = keys.inspection_upload(code, "b0")
    page = ok(client.get(f"{V1}/batches/refused", params={"after": before, "limit": 1}))
    assert page["refused"][0]["key"] == page["next"] == keys.inspection_upload(code, "b1")
    assert f"no product '{code}'" in page["refused"][0]["reason"]
    rest = ok(client.get(f"{V1}/batches/refused", params={"after": page["next"]}))["refused"]
    assert rest[0]["key"] == keys.inspection_upload(code, "b2")
    assert client.get(f"{V1}/batches/refused", params={"after": "\0"}).status_code == 400


def test_alerts_are_listed_with_what_became_of_them(client: Any, stores: Stores, inspected: dict[str, Any]) -> None:
    product = inspected["product"]
    assert ok(client.get(f"{V1}/alerts", params={"product": product})) == {"alerts": [], "next": None}
    raise_alerts(stores, addresses=["http://127.0.0.1:9/alerts"])
    (alert,) = ok(client.get(f"{V1}/alerts", params={"product": product}))["alerts"]
    assert (alert["kind"], alert["batch_id"], alert["details"]["failed"]) == ("pictures_failed", inspected["id"], 1)
    (delivery,) = alert["deliveries"]
    assert (delivery["address"], delivery["attempts"], delivery["delivered_at"]) == (
        "http://127.0.0.1:9/alerts",
        0,
        None,
    )
    assert delivery["next_at"] is not None


# Results


def test_results_are_found_by_batch_product_day_and_judgement(client: Any, inspected: dict[str, Any]) -> None:
    def found(**params: Any) -> list[str]:
        return [each["picture"] for each in ok(client.get(f"{V1}/inspections/results", params=params))["results"]]

    product, batch = inspected["product"], inspected["id"]
    assert found(product=product) == found(batch=batch) == ["a.png", "b.png", "c.png"]
    assert found(product=product, verdict="fail") == ["b.png"]
    day = ok(client.get(f"{V1}/inspections/results", params={"batch": batch}))["results"][0]["judged_at"][:10]
    assert found(product=product, begins=day) == ["a.png", "b.png", "c.png"]
    assert found(product=product, ends=day) == []
    first = ok(client.get(f"{V1}/inspections/results", params={"batch": batch, "limit": 2}))
    assert found(batch=batch, after=first["next"]) == ["c.png"]


def test_results_of_a_version_that_was_replaced_are_former_ones(
    client: Any, stores: Stores, inspected: dict[str, Any]
) -> None:
    batch = _next_version(stores, inspected)
    take_in(stores, batch.id)
    inspect_batch(stores, batch.id)

    def versions(**params: Any) -> list[int]:
        page = ok(client.get(f"{V1}/inspections/results", params={"product": inspected["product"], **params}))
        return [each["batch_version"] for each in page["results"]]

    assert versions() == [2]
    assert versions(former=True) == [2, 1, 1, 1]
    assert versions(batch=inspected["id"]) == [1, 1, 1]


def _next_version(stores: Stores, inspected: dict[str, Any]) -> Batch:
    """Put other pictures under a batch's name, as a program does that writes to the bucket."""
    product, name = inspected["product"], inspected["name"]
    stores.objects.delete_prefix(keys.inspection_upload(product, name))
    stores.objects.put(keys.inspection_upload_file(product, name, "a.png"), lid(spots=2))
    closed = notice_batches(stores, IntakeCursor(), now=datetime.now(UTC) + timedelta(hours=1)).closed
    return next(batch for batch in closed if (batch.product, batch.name) == (product, name))


def test_a_result_says_why_and_shows_the_picture_and_what_was_marked(client: Any, inspected: dict[str, Any]) -> None:
    listed = ok(client.get(f"{V1}/inspections/results", params={"batch": inspected["id"]}))["results"]
    one = ok(client.get(listed[1]["links"]["self"]))
    assert one["verdict"] == "fail"
    spots = next(each for each in one["judgements"] if each["item"] == "spots")
    assert spots["details"]["found"][0]["label"] == "spot"
    picture = client.get(one["links"]["picture"])
    assert (picture.headers["content-type"], picture.content) == ("image/png", LIDS["b.png"])
    again = client.get(one["links"]["picture"], headers={"if-none-match": picture.headers["etag"]})
    assert again.status_code == 304
    marked = client.get(one["links"]["marked"])
    assert marked.headers["content-type"] == "image/jpeg"
    assert marked.content[:2] == b"\xff\xd8"
    assert marked.headers["cache-control"] == "private, no-cache", "it may be judged, and drawn on, anew"
    same = client.get(one["links"]["marked"], headers={"if-none-match": marked.headers["etag"]})
    assert same.status_code == 304
    assert listed[0]["links"]["marked"] is None
    assert client.get(f"{listed[0]['links']['self']}/marked").status_code == 404


def test_what_is_no_picture_is_shown_on_no_page(client: Any, upload: Callable[..., Any], stores: Stores) -> None:
    batch = ok(upload("b1", {"a.png": b"<html><script>alert(1)</script>"}), 202)
    take_in(stores, batch["id"])
    inspection = inspect_batch(stores, batch["id"])
    answer = client.get(f"{V1}/inspections/{inspection.id}/results/0/picture")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_an_inspection_names_everything_that_judged(client: Any, inspected: dict[str, Any], stores: Stores) -> None:
    with stores.database.begin() as connection:
        (made,) = inspections.of_batch(connection, inspected["id"])
    told = ok(client.get(f"{V1}/inspections/{made.id}"))
    assert (told["master_version"], told["identity"]) == (1, made.identity)
    assert [by["item"] for by in told["judged_by"]] == ["spots", "length", "count"]
    assert client.get(f"{V1}/inspections/{2**62}").status_code == 404


# People


def test_a_persons_verdict_is_kept_once_and_disagreements_are_listed(client: Any, inspected: dict[str, Any]) -> None:
    listed = ok(client.get(f"{V1}/inspections/results", params={"batch": inspected["id"]}))["results"]
    said = {"inspection_id": listed[1]["inspection_id"], "place": 1, "verdict": "pass", "inspector": "Mori"}
    once = {"idempotency-key": uuid4().hex}
    first = ok(client.post(f"{V1}/verifications", json=said, headers=once), 201)
    assert ok(client.post(f"{V1}/verifications", json=said, headers=once), 201) == first
    other = client.post(f"{V1}/verifications", json={**said, "verdict": "fail"}, headers=once)
    assert other.status_code == 409
    assert ok(client.get(listed[1]["links"]["self"]))["verifications"] == [first]
    queue = {"product": inspected["product"]}
    (told,) = ok(client.get(f"{V1}/verifications/disagreements", params=queue))["disagreements"]
    assert (told["picture"], told["pipelines_said"], told["verification"]) == ("b.png", "fail", first)
    ok(client.post(f"{V1}/verifications", json={**said, "verdict": "fail"}), 201)
    assert ok(client.get(f"{V1}/verifications/disagreements", params=queue))["disagreements"] == []
    newest = ok(client.get(f"{V1}/verifications", params={"inspector": "Mori", "limit": 1}))
    assert newest["verifications"][0]["verdict"] == "fail"
    before = ok(client.get(f"{V1}/verifications", params={"inspector": "Mori", "after": newest["next"]}))
    assert before["verifications"][0] == first


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"verdict": "undecided"}, 422),
        ({"inspector": ""}, 422),
        ({"inspector": "a\0"}, 400),
        ({"place": 9}, 404),
        ({"place": -1}, 422),
        ({"item": "smell"}, 404),
        ({"inspection_id": 2**63}, 422),
        ({"seconds": -1}, 422),
        ({"other": 1}, 422),
    ],
)
def test_what_is_no_verdict_is_refused(
    client: Any, inspected: dict[str, Any], wrong: dict[str, Any], status: int
) -> None:
    (first, *_) = ok(client.get(f"{V1}/inspections/results", params={"batch": inspected["id"]}))["results"]
    said = {"inspection_id": first["inspection_id"], "place": 0, "verdict": "pass", "inspector": "Mori", **wrong}
    assert client.post(f"{V1}/verifications", json=said).status_code == status


def test_counts_are_told_by_period_product_item_and_inspector(
    client: Any, inspected: dict[str, Any], stores: Stores
) -> None:
    (_, second, _) = ok(client.get(f"{V1}/inspections/results", params={"batch": inspected["id"]}))["results"]
    said = {"inspection_id": second["inspection_id"], "place": 1, "verdict": "pass", "inspector": "Mori"}
    ok(client.post(f"{V1}/verifications", json=said), 201)
    assert ok(client.get(f"{V1}/statistics"))["uncounted"] > 0
    count_touched_days(stores)
    product = {"product": inspected["product"]}
    told = ok(client.get(f"{V1}/statistics", params=product))
    assert told["uncounted"] == 0
    (pictures,) = told["figures"]
    assert (pictures["judged"], pictures["passed"], pictures["failed"], pictures["undecided"]) == (3, 1, 1, 1)
    by_item = ok(client.get(f"{V1}/statistics", params={**product, "by": "item", "period": "month"}))["figures"]
    assert [row["item"] for row in by_item] == ["count", "length", "spots"]
    assert by_item[0]["begins"].endswith("-01")
    (person,) = ok(client.get(f"{V1}/statistics", params={**product, "by": "inspector", "period": "week"}))["figures"]
    assert (person["inspector"], person["corrected"], person["correction_rate"]) == ("Mori", 1, 1.0)
    wrong = {"begins": "2026-01-02", "ends": "2026-01-02"}
    assert client.get(f"{V1}/statistics", params=wrong).status_code == 400


def test_a_page_of_another_site_may_write_none_of_it(client: Any, product: str) -> None:
    elsewhere = {"origin": "http://elsewhere.example"}
    for path, options in (
        ("masters", {"json": {"code": "x", "name": "x"}}),
        (f"batches?product={product}", {"files": _files(LIDS)}),
        ("models", {"files": bundle(DETECTOR)}),
        ("verifications", {"json": {}}),
    ):
        assert client.post(f"{V1}/{path}", headers=elsewhere, **options).status_code == 403


def test_a_batch_with_a_shipped_model_is_judged_over_the_api(client: Any, stores: Stores, settings: Settings) -> None:
    code = f"part_{uuid4().hex[:8]}"
    ok(client.post(f"{V1}/models", files=bundle(DETECTOR)), 201)
    ok(client.post(f"{V1}/pipelines", json=detector_pipeline()), 201)
    ok(client.post(f"{V1}/masters", json={"code": code, "name": "A part"}), 201)
    draft = ok(client.post(f"{V1}/masters/{code}/versions", json={"items": detector_items()}), 201)
    ok(client.post(f"{V1}/masters/{code}/versions/1/publish", json={"revision": draft["revision"]}))
    drawn = {f"{seed:03d}.png": draw(Split.HELD_OUT, 70_000 + seed) for seed in range(6)}
    pictures = {name: to_png(each) for name, each in drawn.items()}
    sent = client.post(f"{V1}/batches", params={"product": code, "name": "b1"}, files=_files(pictures))
    batch = ok(sent, 202)["id"]
    take_in(stores, batch)
    inspect_batch(stores, batch, models=open_models(settings, stores.objects))
    results = ok(client.get(f"{V1}/inspections/results", params={"batch": batch}))["results"]
    assert {each["picture"]: each["verdict"] == "pass" for each in results} == {
        name: each.is_good for name, each in drawn.items()
    }
