"""Images in chunks, by gRPC's own client."""

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest

from imageflow.v1 import image_processing_pb2 as pb
from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_executions.history import Filter, get_execution, list_executions
from imageflow_executions.image_objects import read_object
from tests.executions.starts import image, small
from tests.rpc.conftest import WITHIN_S, Stub, refused, until

_LARGE_BYTES = 50_000_000


@pytest.fixture(scope="module", autouse=True)
def published(stores: Stores) -> None:
    publish_pipeline(stores, small("live"))


def metadata(pipeline: str = "live", **more: object) -> pb.ImageMetadata:
    return pb.ImageMetadata(pipeline_config=pb.PipelineConfig(pipeline_id=pipeline), **more)


def chunks(data: bytes, name: str, *, size: int = 3_000, about: pb.ImageMetadata | None = None) -> list[pb.ImageChunk]:
    count = -(-len(data) // size)
    return [
        pb.ImageChunk(
            correlation_id=name,
            image_data=data[index * size : (index + 1) * size],
            chunk_index=index,
            total_chunks=count,
            is_final_chunk=index == count - 1,
            metadata=(about or metadata()) if index == 0 else None,
        )
        for index in range(count)
    ]


def scratch_files(stores: Stores) -> int:
    """Return how many files without names this process, with the server in it, has open in the scratch folder."""
    targets = []
    for file in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            targets.append(file.readlink())
    return sum(target.parent == stores.scratch for target in targets)


def by_image(results: list[pb.ProcessingResult]) -> dict[str, list[pb.ProcessingResult]]:
    return {
        name: [one for one in results if one.correlation_id == name] for name in {r.correlation_id for r in results}
    }


def test_images_of_a_stream_are_accepted_and_answered_each_by_itself(stub: Stub, stores: Stores, engine: None) -> None:
    sent = [chunk for seed in range(5) for chunk in chunks(image(seed), f"image-{seed}")]
    order = np.random.default_rng(7).permutation(len(sent))
    found = by_image(list(stub.process_stream(sent[place] for place in order)))
    assert len(found) == 5
    for seed in range(5):
        accepted, ended = found[f"image-{seed}"]
        assert accepted.state in (pb.EXECUTION_STATE_QUEUED, pb.EXECUTION_STATE_RUNNING)
        assert ended.state == pb.EXECUTION_STATE_COMPLETED
        assert accepted.execution_id == ended.execution_id
        record = get_execution(stores, uuid.UUID(ended.execution_id)).record
        (stored,) = record.inputs.values()
        assert read_object(stores, stored) == image(seed)
        assert record.request.correlation == f"image-{seed}"
        for output in ended.outputs:
            assert hashlib.sha256(output.data).hexdigest() == output.sha256


def test_an_image_that_is_refused_does_not_end_the_stream(stub: Stub, engine: None) -> None:
    good, late = chunks(image(), "good"), chunks(image(1), "late")
    incomplete, absent = chunks(image(2), "incomplete")[:-1], chunks(image(), "absent", about=metadata("absent"))
    contradicting = chunks(image(), "contradicting")
    contradicting[1].total_chunks += 1
    sent = [*good, *incomplete, *absent, *contradicting, *late]
    found = {name: results[-1] for name, results in by_image(list(stub.process_stream(iter(sent)))).items()}
    assert {name: result.error.code for name, result in found.items()} == {
        "good": "",
        "late": "",
        "incomplete": "INVALID_INPUT",
        "absent": "NOT_FOUND",
        "contradicting": "INVALID_INPUT",
    }
    assert "missing: 3" in found["incomplete"].error.message
    assert found["late"].state == pb.EXECUTION_STATE_COMPLETED
    assert found["absent"].state == pb.EXECUTION_STATE_UNSPECIFIED
    assert found["absent"].execution_id == ""


def test_an_image_whose_result_cannot_be_read_is_answered_and_the_stream_goes_on(
    stub: Stub, stores: Stores, engine: None
) -> None:
    key = (("idempotency-key", uuid.uuid4().hex),)
    lost, good = chunks(image(), "lost"), chunks(image(1), "good")
    execution = list(stub.process_stream(iter(lost), metadata=key))[-1].execution_id
    output = get_execution(stores, uuid.UUID(execution)).record.outputs["picture"]
    assert output is not None
    stores.objects.delete(output.key)
    found = by_image(list(stub.process_stream(iter([*lost, *good]), metadata=key)))
    accepted, refused_ = found["lost"]
    assert (accepted.execution_id, accepted.error.code) == (execution, "")
    assert (refused_.execution_id, refused_.error.code) == (execution, "OBJECT_MISSING")
    assert [each.error.code for each in found["good"]] == ["", ""]
    assert found["good"][-1].state == pb.EXECUTION_STATE_COMPLETED


def test_results_come_while_the_client_still_sends(stub: Stub, engine: None) -> None:
    has_result = threading.Event()

    def sending() -> Iterator[pb.ImageChunk]:
        yield from chunks(image(), "first")
        assert has_result.wait(30)
        yield from chunks(image(1), "second")

    results = []
    for result in stub.process_stream(sending()):
        results.append(result)
        if result.state == pb.EXECUTION_STATE_COMPLETED:
            has_result.set()
    assert [each.correlation_id for each in results] == ["first", "first", "second", "second"]


def test_a_repeated_stream_with_the_same_key_executes_each_image_once(stub: Stub, engine: None) -> None:
    key = (("idempotency-key", uuid.uuid4().hex),)
    sent = [chunk for seed in range(2) for chunk in chunks(image(seed), f"image-{seed}")]
    ids = [{each.execution_id for each in stub.process_stream(iter(sent), metadata=key)} for _ in range(2)]
    assert len(ids[0]) == 2
    assert ids[0] == ids[1]


def test_a_connection_that_drops_midway_leaves_no_execution_and_no_file(
    settings: Settings, stub: Stub, stores: Stores
) -> None:
    client = uuid.uuid4().hex
    sent = chunks(image(width=900, height=900), "dropped", size=200_000, about=metadata(client_id=client))
    second = Stub(f"127.0.0.1:{settings.engine_grpc_port}")
    waiting = threading.Event()

    def sending() -> Iterator[pb.ImageChunk]:
        yield from sent[:-1]
        waiting.wait(WITHIN_S)

    call = second.process_stream(sending())
    until(lambda: scratch_files(stores) == 1)
    second.channel.close()
    waiting.set()
    with pytest.raises(grpc.RpcError):
        list(call)
    until(lambda: scratch_files(stores) == 0)
    assert not list_executions(stores, Filter(client=client)).items


def test_an_image_of_50_mb_keeps_its_sha256_within_bounded_memory(stub: Stub, stores: Stores) -> None:
    data = np.random.default_rng(0).bytes(_LARGE_BYTES)
    client = uuid.uuid4().hex
    before, most = psutil.Process().memory_info().rss, 0
    sent = chunks(data, "large", size=2**20, about=metadata(client_id=client))
    started: list[pb.ProcessingResult] = []

    def receive() -> None:
        for result in stub.process_stream(iter(sent)):
            started.append(result)
            stub.cancel(pb.ExecutionRequest(execution_id=result.execution_id))

    thread = threading.Thread(target=receive)
    thread.start()
    while thread.is_alive():
        most = max(most, psutil.Process().memory_info().rss - before)
        time.sleep(0.01)
    thread.join()
    (found,) = list_executions(stores, Filter(client=client)).items
    (stored,) = found.inputs.values()
    assert (stored.size, stored.sha256) == (_LARGE_BYTES, hashlib.sha256(data).hexdigest())
    assert most < 6 * _LARGE_BYTES, f"{most / 1e6:.0f} MB"  # the client's own copies are in this process as well


def test_a_client_that_does_not_read_its_results_is_not_read_from_any_more(stub: Stub, stores: Stores) -> None:
    client = uuid.uuid4().hex
    taken = 0

    def sending() -> Iterator[pb.ImageChunk]:
        nonlocal taken
        for seed in range(200):
            taken = seed
            yield from chunks(image(seed), f"image-{seed}", about=metadata(client_id=client))

    def accepted() -> int:
        return len(list_executions(stores, Filter(client=client), limit=100).items)

    call = stub.process_stream(sending())
    until(lambda: accepted() == 8)  # no engine runs: none of them ends
    time.sleep(1)
    read_by_then = taken
    time.sleep(1)
    assert (accepted(), taken) == (8, read_by_then)
    call.cancel()
    for record in list_executions(stores, Filter(client=client), limit=100).items:
        stub.cancel(pb.ExecutionRequest(execution_id=str(record.id)))


def test_a_stream_with_too_many_incomplete_images_is_refused(stub: Stub) -> None:
    sent = [chunks(image(), f"image-{number}")[0] for number in range(17)]
    code, said = refused(lambda: stub.process_stream(iter(sent)))
    assert (code, said.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE")
