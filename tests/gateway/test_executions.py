import hashlib
import json
import threading
import time
from typing import Any
from uuid import UUID

import pytest
from anyio import CapacityLimiter

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.executions import new_id
from imageflow_gateway.app import create_app
from imageflow_gateway.capacity import Capacity, FormLimits
from tests.executions.starts import hanging, image, small, until_running
from tests.gateway.answers import V1
from tests.gateway.conftest import Client, asking

EXECUTIONS = f"{V1}/executions"
PROCESS = f"{V1}/pipeline/process"


pytestmark = pytest.mark.usefixtures("live_pipeline")


def form(data: bytes | None = None, **fields: Any) -> dict[str, Any]:
    files = {} if data is None else {"image": ("part.png", data, "image/png")}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return {"files": files, "data": texts}


def start(client: Client, *, wait: float = 0, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    answer = client.post(
        EXECUTIONS, params={"wait": wait} if wait else {}, headers=headers or {}, **form(image(), **fields)
    )
    assert answer.status_code in (200, 202), answer.text
    return answer


def events(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if lines:
            found.append((lines["event"], lines["id"], json.loads(lines["data"])))
    return found


def test_an_image_is_accepted_at_once_and_its_result_has_checksums(client: Client, engine: None) -> None:
    answer = client.post(
        PROCESS,
        **form(
            image(),
            pipeline_config={"pipeline_id": "live", "parameters": {"width_px": 20}, "priority": "high"},
            client_id="client-001",
            correlation_id="req-12345",
        ),
    )
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert accepted["status"] == "accepted"
    address = answer.headers["location"]
    assert address == f"{EXECUTIONS}/{accepted['execution_id']}"
    seen = events(client.get(f"{address}/events").text)
    assert seen[-1][2].get("state") == "completed"
    found = client.get(address).json()
    assert (found["status"], found["priority"], found["client_id"]) == ("completed", "high", "client-001")
    assert found["correlation_id"] == "req-12345"
    assert found["parameters"]["small"]["width_px"] == 20
    assert [step["status"] for step in found["steps"]] == ["done"] * 4
    used = [step["resources"] for step in found["steps"]]
    assert all(each["cpu_s"] > 0 and each["peak_memory_bytes"] > 0 for each in used)
    assert [[one["resources"] for one in step["tries"]] for step in found["steps"]] == [[each] for each in used]
    assert [data["resources"]["cpu_s"] for kind, _, data in seen if kind == "step" and data["status"] == "done"] == [
        each["cpu_s"] for each in used
    ]
    for stored in (*found["outputs"].values(), *found["inputs"].values()):
        file = client.get(stored["url"])
        assert hashlib.sha256(file.content).hexdigest() == stored["sha256"]
        assert len(file.content) == stored["size"]
        assert file.headers["content-type"] == stored["media_type"]
    assert client.get(found["inputs"]["picture"]["url"]).content == image()


def test_with_wait_the_answer_is_the_result(client: Client, engine: None) -> None:
    answer = start(client, wait=30, pipeline="live@1")
    assert answer.status_code == 200
    assert answer.json()["status"] == "completed"
    assert set(answer.json()["outputs"]) == {"picture", "pixels"}


def test_one_that_does_not_end_in_time_is_answered_as_accepted(client: Client) -> None:
    answer = start(client, wait=0.2, pipeline="live@1")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert client.post(f"{EXECUTIONS}/{answer.json()['execution_id']}/cancel").json()["status"] == "cancelled"


def test_one_is_answered_as_accepted_where_as_many_requests_wait_as_may(settings: Settings, stores: Stores) -> None:
    app = create_app(settings, stores, Capacity(execution_followers=CapacityLimiter(0)))
    with asking(app, port=settings.gateway_port) as full:
        before = time.monotonic()
        answer = start(full, wait=30, pipeline="live@1")
    assert (answer.status_code, time.monotonic() - before < 15) == (202, True)


def test_a_form_holds_as_many_images_and_bytes_as_it_may(settings: Settings, stores: Stores) -> None:
    limits = FormLimits(images=1, field_bytes=50)
    with asking(create_app(settings, stores, Capacity(forms=limits)), port=settings.gateway_port) as client:
        two = form(image(), pipeline="live")
        two["files"]["other"] = two["files"]["image"]
        many = client.post(EXECUTIONS, **two)
        long = client.post(EXECUTIONS, **form(image(), pipeline="l" * 51))
    assert [(each.status_code, said in each.text) for each, said in ((many, "1 images"), (long, "51 bytes"))] == [
        (413, True),
        (413, True),
    ]


def test_a_request_that_is_no_upload_has_a_limit_of_its_own(settings: Settings, stores: Stores) -> None:
    with asking(create_app(settings, stores, Capacity(body_bytes=10)), port=settings.gateway_port) as client:
        assert client.post(f"{V1}/pipelines", json=small("live")).status_code == 413


def test_files_are_read_by_ranges_and_not_again_by_their_tag(client: Client, engine: None) -> None:
    stored = start(client, wait=30, pipeline="live").json()["outputs"]["pixels"]
    whole = client.get(stored["url"])
    assert whole.headers["etag"] == f'"{stored["sha256"]}"'
    again = client.get(stored["url"], headers={"if-none-match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for wanted, begin, end in (("bytes=0-9", 0, 10), ("bytes=10-", 10, None), ("bytes=-5", -5, None)):
        part = client.get(stored["url"], headers={"range": wanted})
        assert part.status_code == 206
        assert part.content == whole.content[begin:end]
        assert part.headers["content-range"].endswith(f"/{stored['size']}")
    assert client.get(stored["url"], headers={"range": "bytes=99999999-"}).status_code == 416
    assert client.get(stored["url"], headers={"range": "lines=1-2"}).status_code == 200


def test_a_client_that_follows_gets_every_change_once_and_goes_on_where_it_was(client: Client, engine: None) -> None:
    address = start(client, pipeline="live").headers["location"]
    seen = events(client.get(f"{address}/events").text)
    assert seen[0][0] == "snapshot"
    steps = [(data["step"], data["status"]) for kind, _, data in seen if kind == "step"]
    assert len(steps) == len(set(steps))
    ids = [tuple(map(int, number.split("-"))) for _, number, _ in seen]
    assert ids == sorted(set(ids))
    half = len(seen) // 2
    rest = events(client.get(f"{address}/events", headers={"last-event-id": seen[half][1]}).text)
    assert rest == seen[half + 1 :]
    assert client.get(f"{address}/events", headers={"last-event-id": seen[-1][1]}).status_code == 204


def test_cancel_stops_this_execution_and_no_other(client: Client, stores: Stores, engine: None) -> None:
    one, other = (start(client, spec=hanging()).json()["execution_id"] for _ in range(2))
    for each in (one, other):
        until_running(stores, UUID(each), "decode")
    client.post(f"{EXECUTIONS}/{one}/cancel")
    seen = events(client.get(f"{EXECUTIONS}/{one}/events").text)
    assert seen[-1][2]["state"] == "cancelled"
    assert client.get(f"{EXECUTIONS}/{other}").json()["status"] == "running"
    client.post(f"{EXECUTIONS}/{other}/cancel")
    assert events(client.get(f"{EXECUTIONS}/{other}/events").text)[-1][2]["state"] == "cancelled"


def test_the_same_key_is_the_same_execution(client: Client) -> None:
    key = {"idempotency-key": "one"}
    first = start(client, headers=key, pipeline="live").json()["execution_id"]
    assert start(client, headers=key, pipeline="live").json()["execution_id"] == first
    other = client.post(EXECUTIONS, headers=key, **form(image(1), pipeline="live"))
    assert (other.status_code, other.json()["error"]["code"]) == (409, "CONFLICT")


def test_an_execution_is_repeated_with_the_same_result(client: Client, engine: None) -> None:
    first = start(client, wait=30, pipeline="live", parameters={"small.width_px": 11}).json()
    again = client.post(f"{EXECUTIONS}/{first['execution_id']}/retry")
    assert again.status_code == 202
    client.get(f"{again.headers['location']}/events")
    found = client.get(again.headers["location"]).json()
    assert found["execution_id"] != first["execution_id"]
    assert {name: one["sha256"] for name, one in found["outputs"].items()} == {
        name: one["sha256"] for name, one in first["outputs"].items()
    }


def test_the_history_is_paged_and_filtered(client: Client) -> None:
    made = [start(client, pipeline="live").json()["execution_id"] for _ in range(3)]
    page = client.get(EXECUTIONS, params={"limit": 2, "pipeline": "live"}).json()
    assert [one["execution_id"] for one in page["executions"]] == made[:0:-1]
    more = client.get(EXECUTIONS, params={"limit": 2, "pipeline": "live", "after": page["next"]}).json()
    assert more["executions"][0]["execution_id"] == made[0]
    queued = client.get(EXECUTIONS, params={"status": "queued", "limit": 200}).json()["executions"]
    assert {one["status"] for one in queued} == {"queued"}
    for each in made:
        client.post(f"{EXECUTIONS}/{each}/cancel")


CYCLE = small("cycle")
CYCLE["steps"]["decode"] = {"use": "resize@1", "with": {"width_px": 3}, "from": {"image": "small.image"}}


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({}, 400, "one of the two"),
        ({"pipeline": "live", "spec": small()}, 400, "one of the two"),
        ({"pipeline": "never_published"}, 404, "never_published"),
        ({"pipeline": "live", "priority": "urgent"}, 400, "low, normal, high"),
        ({"pipeline": "live", "parameters": [1]}, 400, "no JSON object"),
        ({"pipeline": "live", "parameters": "{"}, 400, "no JSON"),
        ({"pipeline": "live", "parameters": {"small.width_px": 10**9}}, 422, "steps.small.with.width_px"),
        ({"pipeline": "live", "parameters": {"nothing": "x" * 10_000}}, 422, "no step has this parameter"),
        ({"pipeline": "live", "colour": "red"}, 400, "fields are"),
        ({"spec": CYCLE}, 422, "feeds itself"),
        ({"spec": {}}, 422, "steps"),
        ({"pipeline": "live", "client_id": "x" * 201}, 400, "at most 200"),
        ({"pipeline": "live", "pipeline_config": {}}, 400, "/api/v1/pipeline/process"),
    ],
)
def test_what_cannot_be_executed_is_refused_with_the_reason(
    client: Client, fields: dict[str, Any], status: int, said: str
) -> None:
    answer = client.post(EXECUTIONS, **form(image(), **fields))
    assert answer.status_code == status, answer.text
    assert said in answer.text


@pytest.mark.parametrize(
    "config", [{}, {"pipeline_id": 3}, {"pipeline_id": "live", "colour": 1}, {"pipeline_id": "live", "priority": 3}]
)
def test_a_wrong_pipeline_config_is_refused(client: Client, config: dict[str, Any]) -> None:
    assert client.post(PROCESS, **form(image(), pipeline_config=config)).status_code == 400


@pytest.mark.parametrize(
    "query", [{"since": "1960-01-01T00:00:00Z"}, {"since": "9999-12-31T00:00:00Z"}, {"error": "a & | ! ("}]
)
def test_any_filter_of_the_history_is_answered(client: Client, query: dict[str, str]) -> None:
    assert client.get(EXECUTIONS, params=query).status_code == 200


@pytest.mark.parametrize(
    "query", [{"client_id": "\0"}, {"error": "\0"}, {"since": "2026-11-30T00:00:00"}, {"after": "x"}]
)
def test_a_filter_that_says_nothing_is_refused(client: Client, query: dict[str, str]) -> None:
    assert client.get(EXECUTIONS, params=query).status_code in (400, 422)


def test_signs_that_are_no_text_are_refused_before_anything_is_stored(client: Client, stores: Stores) -> None:
    before = sum(1 for _ in stores.objects.list("executions"))
    for fields in ({"parameters": {"small.mode": "\0"}}, {"parameters": {"small.mode": "\ud800"}}):
        answer = client.post(EXECUTIONS, **form(image(), pipeline="live", **fields))
        assert answer.status_code in (400, 422), answer.text
    described = {**small("described"), "description": "a\0b"}
    assert client.post(EXECUTIONS, **form(image(), spec=described)).status_code == 400
    assert sum(1 for _ in stores.objects.list("executions")) == before


def test_a_repeat_with_a_key_waits_for_the_execution_that_has_it(client: Client, engine: None) -> None:
    key = {"idempotency-key": "waits"}
    first = start(client, headers=key, pipeline="live").json()["execution_id"]
    again = start(client, wait=30, headers=key, pipeline="live")
    assert (again.status_code, again.json()["execution_id"], again.json()["status"]) == (200, first, "completed")


def test_an_image_beyond_the_limit_and_an_unknown_id_are_refused(client: Client) -> None:
    assert client.post(EXECUTIONS, **form(bytes(200_000), pipeline="live")).status_code == 413
    assert client.get(f"{EXECUTIONS}/{new_id()}").status_code == 404
    assert client.get(f"{EXECUTIONS}/{new_id()}/events").status_code == 404
    assert client.get(f"{EXECUTIONS}/5f0c7a1e-1111-4222-8333-444455556666").status_code == 422


def test_many_clients_at_once_get_their_own_results(client: Client, engine: None) -> None:
    found: dict[int, str] = {}

    def one(seed: int) -> None:
        answer = client.post(EXECUTIONS, params={"wait": 30}, **form(image(seed), pipeline="live"))
        found[seed] = answer.json()["inputs"]["picture"]["sha256"] if answer.status_code == 200 else answer.text

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {seed: hashlib.sha256(image(seed)).hexdigest() for seed in range(20)}
