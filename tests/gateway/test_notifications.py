"""What buckets send, in the spellings of S3 and of MinIO; and a real MinIO that sends it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from imageflow_clients.objects import ObjectStore
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from services.build import is_kept
from services.minio import Minio
from tests.clients.stores import empty_bucket
from tests.gateway.answers import V1, fields, ok

NOTIFICATIONS = f"{V1}/notifications"
CREATED = "s3:ObjectCreated:Put"


def record(key: str, event: str = CREATED, **s3: Any) -> dict[str, Any]:
    return {"eventVersion": "2.1", "eventName": event, "s3": {"object": {"key": key, "size": 0}, **s3}}


def manifests(objects: ObjectStore, batch: str) -> list[dict[str, str]]:
    """Return the manifests that close a batch."""
    found = [json.loads(objects.get(stored.key, next_step="-")) for stored in objects.list(keys.INBOX)]
    return [manifest for manifest in found if manifest["batch"] == batch]


@pytest.fixture
def batch() -> str:
    return f"b_{uuid4().hex[:8]}"


@pytest.fixture(params=["S3", "MinIO"])
def event(request: pytest.FixtureRequest, batch: str) -> dict[str, Any]:
    """The notification of `batch`'s marker, as each of them sends it."""
    key = f"uploads/inspection/lid/{batch}/_DONE"
    if request.param == "S3":
        bucket = {"name": "imageflow", "arn": "arn:aws:s3:::imageflow"}
        return {"Records": [record(key, "ObjectCreated:Put", bucket=bucket)]}
    spelled = key.replace("/", "%2F")
    return {"EventName": CREATED, "Key": f"imageflow/{key}", "Records": [record(spelled, bucket={"name": "imageflow"})]}


def test_a_marker_closes_its_batch_and_again_the_same_one(
    client: Any, stores: Stores, batch: str, event: dict[str, Any]
) -> None:
    for count in (1, 2):
        answer = ok(client.post(NOTIFICATIONS, json=event), 202)
        assert answer == {"batches": [{"product": "lid", "name": batch}]}
        assert manifests(stores.objects, batch) == [{"product": "lid", "batch": batch}] * count


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "imageflow"},
        {"Records": []},
        {"Records": [{}, {"eventName": CREATED}, {"s3": {"object": {"key": "uploads/inspection/lid/b1/_DONE"}}}]},
        {"Records": [record("uploads/inspection/lid/b1/_DONE", "s3:ObjectRemoved:Delete")]},
        {"Records": [record("uploads/inspection/lid/b1/_DONE", "s3:ObjectCreatedOrNot")]},
        {"Records": [record("uploads/inspection/lid/b1/a.png"), record("uploads/maps/g/s/b1/_DONE")]},
        {"Records": [record("uploads%2Finspection%2F%2E%2E%2Fb1%2F_DONE")]},
        {"Records": [record("uploads/inspection/..%2F..%2Flid/b1/_DONE")]},
        {"Records": [record("uploads/inspection/lid%252Fb1/_DONE")]},  # encoded twice
        {"Records": [record("uploads/inspection/lid/b+1/_DONE")]},
        {"Records": [record("uploads/inspection/lid/%ff%fe/_DONE")]},
        {"Records": [record("uploads/inspection/lid/b1%00/_DONE")]},
        {"Records": [record("uploads/inspection/lid/b1/_DONE%0A")]},
    ],
)
def test_whatever_else_happens_in_a_bucket_closes_nothing(client: Any, stores: Stores, event: dict[str, Any]) -> None:
    before = len(list(stores.objects.list(keys.INBOX)))
    assert ok(client.post(NOTIFICATIONS, json=event), 202) == {"batches": []}
    assert len(list(stores.objects.list(keys.INBOX))) == before


def test_records_of_one_notification_are_told_apart_and_equal_ones_close_once(
    client: Any, stores: Stores, batch: str
) -> None:
    marks = [record(f"uploads/inspection/{product}/{batch}/_DONE") for product in ("lid", "cap", "lid")]
    answer = ok(client.post(NOTIFICATIONS, json={"Records": [record("other"), *marks]}), 202)
    assert answer["batches"] == [{"product": "lid", "name": batch}, {"product": "cap", "name": batch}]
    assert len(manifests(stores.objects, batch)) == 2


def test_notifications_of_odd_forms_are_refused_with_the_place(client: Any) -> None:
    many = {"Records": [{"eventName": CREATED}] * 1001}
    assert "1000" in fields(client.post(NOTIFICATIONS, json=many))["body.Records"]
    assert ok(client.post(NOTIFICATIONS, json={"Records": many["Records"][1:]}), 202) == {"batches": []}
    assert "body.Records.0.s3.object.key" in fields(client.post(NOTIFICATIONS, json={"Records": [record("a" * 5000)]}))
    assert "body.Records.0.s3.object.key" in fields(client.post(NOTIFICATIONS, json={"Records": [record(7)]}))  # type: ignore[arg-type]
    assert client.post(NOTIFICATIONS, json=[]).status_code == 422
    assert client.post(NOTIFICATIONS, content=b"x" * 1_000_001).status_code == 413


def test_a_server_on_this_machine_may_notify_and_a_page_of_another_site_may_not(
    client: Any, event: dict[str, Any]
) -> None:
    ok(client.post(NOTIFICATIONS, json=event), 202)  # neither Origin nor Referer, as a server sends it
    assert client.post(NOTIFICATIONS, json=event, headers={"origin": "http://evil.example"}).status_code == 403


@pytest.fixture
def notifying(
    tmp_path: Path, settings: Settings, free_port: Callable[[], int], need: Callable[[bool, str], None]
) -> Iterator[tuple[Minio, Settings]]:
    """A MinIO, and the settings of the gateway that it notifies."""
    need(is_kept(), "MinIO is not built: `make services` does it")
    (tmp_path / "home").mkdir()
    there = settings.model_copy(update={"home": tmp_path / "home", "gateway_port": free_port()})
    minio = Minio(
        tmp_path / "minio",
        variables={
            "MINIO_NOTIFY_WEBHOOK_ENABLE_IMAGEFLOW": "on",
            "MINIO_NOTIFY_WEBHOOK_ENDPOINT_IMAGEFLOW": f"http://127.0.0.1:{there.gateway_port}{NOTIFICATIONS}",
        },
    )
    yield minio, there
    minio.stop()


def test_minio_itself_closes_a_batch_of_a_bucket_with_a_prefix(
    notifying: tuple[Minio, Settings], start: Callable[[Settings], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    minio, settings = notifying
    objects = empty_bucket(minio, monkeypatch)
    bucket, _, prefix = objects.where("x").removeprefix("s3://").removesuffix("/x").partition("/")
    monkeypatch.setenv("IMAGEFLOW_OBJECT_STORE_URL", f"s3://{bucket}/{prefix}")
    start(settings).wait()
    minio.notify("arn:minio:sqs::IMAGEFLOW:webhook", prefix=f"{prefix}/uploads/inspection/", suffix="_DONE")
    objects.put("uploads/inspection/lid/monday/a.png", b"one")
    objects.put("uploads/inspection/lid/monday/_DONE", b"")
    until = time.monotonic() + 30
    while not manifests(objects, "monday") and time.monotonic() < until:
        time.sleep(0.1)
    assert manifests(objects, "monday") == [{"product": "lid", "batch": "monday"}]
