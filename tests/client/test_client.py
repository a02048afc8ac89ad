"""The client against a gateway and an engine: every protocol gives the same execution."""

import asyncio
import hashlib
import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from imageflow.client import AsyncClient, Client, Execution, ExecutionState, Priority, Protocol
from imageflow_domain import errors
from imageflow_domain.executions import new_id
from imageflow_executions.history import Filter, get_execution, list_executions
from tests.client.conftest import Deployment
from tests.executions.starts import hanging, image, logged, small, started
from tests.rpc.conftest import free_port

PROTOCOLS = (Protocol.REST, Protocol.GRPC, Protocol.AUTO)


@pytest.fixture(params=PROTOCOLS)
def client(deployment: Deployment, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(deployment.url, protocol=request.param) as client:
        yield client


def test_an_image_is_processed_and_its_outputs_have_their_bytes(client: Client, deployment: Deployment) -> None:
    done = client.process(
        image(),
        pipeline="live",
        parameters={"width_px": 20},
        client_id="me",
        correlation_id="1",
        priority=Priority.HIGH,
    )
    assert (done.state, done.pipeline, done.correlation_id) == (ExecutionState.COMPLETED, "live@1", "1")
    assert [(step.step, step.status) for step in done.steps] == [
        (step, "done") for step in ("decode", "small", "grey", "encoded")
    ]
    kept = get_execution(deployment.stores, done.id).steps
    assert [step.resources for step in done.steps] == [step.resources for step in kept]
    assert all(step.resources.cpu_s and step.resources.peak_memory_bytes for step in done.steps)
    for output in done.outputs.values():
        assert output is not None
        assert (len(output.data), hashlib.sha256(output.data).hexdigest()) == (output.size, output.sha256)
    record = get_execution(deployment.stores, done.id).record
    assert record.request.priority is Priority.HIGH
    assert record.request.parameters["small"]["width_px"] == 20


def test_a_file_is_started_watched_and_its_result_read_later(client: Client, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(image(4))
    started = client.start(tmp_path / "photo.png", pipeline="live")
    changes = list(client.watch(started.id))
    assert changes[0].is_snapshot
    assert changes[-1].state is ExecutionState.COMPLETED
    again = list(client.watch(started.id, after=changes[0].cursor))
    assert again == changes[1:]
    assert list(client.watch(started.id, after=changes[-1].cursor)) == []
    done = client.result(started.id)
    picture = done.outputs["picture"]
    assert picture is not None
    assert client.read(started.id, "picture") == picture.data
    assert client.get(started.id).state is ExecutionState.COMPLETED
    with pytest.raises((errors.NotFound, errors.InvalidInput)):
        client.read(started.id, "picture?")


def test_a_large_image_is_sent_in_chunks_and_large_outputs_are_read_in_parts(client: Client) -> None:
    data = image(width=1_400, height=1_100)
    assert len(data) > 4 * 2**20
    done = client.process(data, pipeline="live", parameters={"width_px": 1_300})
    pixels = done.outputs["pixels"]
    assert pixels is not None
    assert pixels.size > 3 * 2**20
    assert hashlib.sha256(pixels.data).hexdigest() == pixels.sha256


def test_the_same_key_is_the_same_execution_by_every_protocol(deployment: Deployment) -> None:
    for data in (image(), image(width=1_400, height=1_100)):
        key, found = uuid.uuid4().hex, set()
        for protocol in PROTOCOLS:
            with Client(deployment.url, protocol=protocol) as client:
                found.add(client.start(data, pipeline="live", parameters={"width_px": 20}, key=key).id)
        assert len(found) == 1


def test_the_longest_key_and_correlation_id_are_the_same_execution_by_every_protocol(
    deployment: Deployment,
) -> None:
    for data in (image(), image(width=1_400, height=1_100)):
        key, correlation, found = uuid.uuid4().hex.ljust(200, "."), "工程" * 100, set()
        for protocol in PROTOCOLS:
            with Client(deployment.url, protocol=protocol) as client:
                started = client.start(data, pipeline="live", key=key, correlation_id=correlation)
            found.add((started.id, started.correlation_id))
        assert len(found) == 1
        assert found.pop()[1] == correlation


@pytest.mark.parametrize("key", ["clé", "a\nb", " a", "a ", "x" * 201])
def test_a_key_that_no_header_takes_is_refused(key: str) -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(errors.InvalidInput, match="idempotency key"):
        client.start(image(), pipeline="live", key=key)


def test_a_running_execution_is_cancelled(client: Client) -> None:
    started = client.start(image(), spec=hanging())
    for change in client.watch(started.id):
        if any(step.status == "running" for step in change.steps):
            client.cancel(started.id)
    assert client.get(started.id).state is ExecutionState.CANCELLED
    with pytest.raises(errors.Conflict):
        client.cancel(client.process(image(), pipeline="live").id)


def test_a_failed_execution_is_returned_with_its_reason(client: Client) -> None:
    failed = client.process(b"no image", pipeline="live")
    assert failed.state is ExecutionState.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.error.step) == ("STEP_REFUSED", "decode")


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"pipeline": "absent"}, errors.NotFound),
        ({}, errors.InvalidInput),
        ({"pipeline": "live", "parameters": {"width_px": "wide"}}, errors.InvalidInput),
        ({"spec": small() | {"outputs": {"x": "absent.y"}}}, errors.InvalidInput),
    ],
)
def test_wrong_requests_raise_the_same_error_by_every_protocol(
    client: Client, options: dict[str, Any], kind: type[errors.ImageFlowError]
) -> None:
    with pytest.raises(kind):
        client.process(image(), **options)


def test_an_execution_that_takes_longer_than_the_deadline_is_named(client: Client) -> None:
    with pytest.raises(errors.Timeout) as late:
        client.process(image(), spec=hanging(), deadline_s=7)
    execution = uuid.UUID(str(late.value).split()[1])
    assert client.cancel(execution).id == execution


def test_where_no_engine_answers_the_execution_goes_through_the_gateway(deployment: Deployment) -> None:
    with Client(deployment.url, grpc_address=f"127.0.0.1:{free_port()}") as client:
        assert client.process(image(), pipeline="live").state is ExecutionState.COMPLETED
    with (
        Client(deployment.url, protocol="grpc", grpc_address=f"127.0.0.1:{free_port()}") as client,
        pytest.raises(errors.Unavailable),
    ):
        client.process(image(), pipeline="live", deadline_s=2)


def test_an_engine_alone_is_enough_for_grpc(deployment: Deployment) -> None:
    with Client(f"grpc://{deployment.grpc}") as client:
        assert client.process(image(), pipeline="live").state is ExecutionState.COMPLETED


@pytest.mark.parametrize("server", ["", "127.0.0.1:8080", "ftp://x", "http://x/api", "grpc://"])
def test_what_is_no_server_is_said_so(server: str) -> None:
    with pytest.raises(errors.InvalidInput, match="no server"):
        Client(server)
    with pytest.raises(errors.InvalidInput, match="no protocol"):
        Client("http://127.0.0.1:8080", protocol="carrier pigeon")
    with pytest.raises(errors.InvalidInput, match="has no REST"):
        Client("grpc://127.0.0.1:50051", protocol="rest")


def test_many_calls_at_once_share_the_connections(deployment: Deployment) -> None:
    async def many() -> list[Execution]:
        async with AsyncClient(deployment.url, protocol="grpc") as client:
            return await asyncio.gather(*(client.process(image(seed), pipeline="live") for seed in range(30)))

    done = asyncio.run(many())
    assert {each.state for each in done} == {ExecutionState.COMPLETED}
    assert len({each.id for each in done}) == 30


def test_the_table_of_protocols_recommends_by_client_and_size(deployment: Deployment) -> None:
    def ask(**query: Any) -> dict[str, Any]:
        answer = httpx.get(f"{deployment.url}/api/v1/protocols", params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    assert ask()["recommended"] == "grpc"
    assert ask()["grpc_address"] == deployment.grpc
    assert ask(size=50_000_000)["recommended"] == "rest"
    chosen = {use: ask(client=use)["recommended"] for use in ("batch", "system", "browser", "storage", "service")}
    assert chosen == {"batch": "rest", "system": "rest", "browser": "websocket", "storage": "rest", "service": "grpc"}
    table = {row["use"]: row for row in ask()["table"]}
    assert {use: row["protocol"] for use, row in table.items()} == {
        "realtime": "grpc",
        "batch": "rest",
        "system": "kafka",
        "browser": "websocket",
        "storage": "s3",
        "service": "grpc",
    }
    assert not table["system"]["is_served"]
    assert all(row["reason"] for row in table.values())
    assert httpx.get(f"{deployment.url}/api/v1/protocols", params={"client": "pigeon"}).status_code == 422


def test_an_engine_that_hangs_and_is_killed_costs_nothing_but_time(deployment: Deployment) -> None:
    name = uuid.uuid4().hex
    with Client(deployment.url) as client, ThreadPoolExecutor(1) as thread:
        client.process(image(), pipeline="live")  # connected
        deployment.engine.send(signal.SIGSTOP)
        answer = thread.submit(client.process, image(), pipeline="live", client_id=name, deadline_s=90)
        until = time.monotonic() + 60
        while not list_executions(deployment.stores, Filter(client=name)).items:
            assert time.monotonic() < until
            time.sleep(0.1)
        deployment.engine.end(signal.SIGKILL)
        deployment.engine.start()
        done = answer.result(90)
    deployment.wait()
    assert done.state is ExecutionState.COMPLETED
    (record,) = list_executions(deployment.stores, Filter(client=name)).items
    assert (record.id, record.attempt) == (done.id, 1)


def test_log_lines_are_read_and_followed_to_the_end(client: Client, deployment: Deployment) -> None:
    record = started(deployment.stores)
    logged(deployment.stores, record, "one", "two", attempt=1)
    assert [(line.step, line.text) for line in client.logs(record.id)] == [("decode", "one"), ("decode", "two")]
    following = client.logs(record.id, after="1-1", follow=True)
    assert next(following).text == "two"
    logged(deployment.stores, record, "three", first=3, attempt=1)
    client.cancel(record.id)
    assert [line.text for line in following] == ["three"]
    with pytest.raises(errors.NotFound):
        list(client.logs(new_id()))
