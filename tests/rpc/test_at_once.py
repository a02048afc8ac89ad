"""Executions that come with a call and begin at once in the engine that takes it."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from imageflow.v1 import image_processing_pb2 as pb
from imageflow_clients.database.core import events
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.events import BEGINNING
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import ExecutionState
from imageflow_engine.rpc.server import RpcServer
from imageflow_executions.history import cancel_execution, get_execution
from imageflow_executions.image_objects import read_object
from imageflow_executions.preview import Previews
from imageflow_executions.samples import Samples
from imageflow_executions.streams import Streams
from imageflow_pipelines.engine import Engine
from tests.executions.conftest import engine_over
from tests.executions.starts import ended, hanging, image, small, until_running
from tests.rpc.conftest import Stub, free_port, spec_request


@contextmanager
def serving(settings: Settings, stores: Stores, **options: Any) -> Iterator[Stub]:
    here = settings.model_copy(update={"engine_grpc_port": free_port()})
    with Engine() as engine, engine_over(stores, **options) as resident:
        previews, streams = Previews(stores, engine, Samples()), Streams(stores, engine, "streaming")
        with RpcServer(here, stores, previews, streams, resident.place) as server:
            stub = Stub(f"127.0.0.1:{server.port}")
            yield stub
            stub.channel.close()


def begin(stub: Stub, spec: dict[str, Any] | None = None) -> pb.ProcessingResult:
    result: pb.ProcessingResult = stub.process(spec_request(image(), spec, wait_s=0)).result
    return result


def states(stores: Stores, execution: uuid.UUID) -> list[str]:
    with stores.database.begin() as connection:
        log = events.read_subject(connection, subject_of(execution), after=BEGINNING, limit=100)
    return [str(one.event.data["state"]) for one in log if one.event.kind == "state"]


def test_it_runs_as_soon_as_it_is_accepted_and_is_as_any_other(settings: Settings, stores: Stores) -> None:
    with serving(settings, stores) as stub:
        result = begin(stub)
        assert (result.state, result.attempt) == (pb.EXECUTION_STATE_RUNNING, 1), "the engine has two places"
        found = ended(stores, uuid.UUID(result.execution_id))
        whole = stub.process(spec_request(image())).result
    assert found.record.state is ExecutionState.COMPLETED
    assert states(stores, found.record.id) == ["queued", "running", "completed"]
    assert [step.step for step in found.steps] == ["decode", "small", "grey", "encoded"]
    (stored,) = found.record.inputs.values()
    assert read_object(stores, stored) == image()
    assert whole.state == pb.EXECUTION_STATE_COMPLETED
    kept = get_execution(stores, uuid.UUID(whole.execution_id)).record
    assert {each.name: each.sha256 for each in whole.outputs} == {
        name: made.sha256 for name, made in kept.outputs.items() if made is not None
    }


def test_it_waits_where_the_engine_has_no_place(settings: Settings, stores: Stores) -> None:
    with serving(settings, stores, at_once=1) as stub:
        first = begin(stub, hanging())
        until_running(stores, uuid.UUID(first.execution_id), "decode")
        second = begin(stub)
        assert second.state == pb.EXECUTION_STATE_QUEUED
        cancel_execution(stores, uuid.UUID(first.execution_id))
        assert ended(stores, uuid.UUID(first.execution_id)).record.state is ExecutionState.CANCELLED
        assert ended(stores, uuid.UUID(second.execution_id)).record.state is ExecutionState.COMPLETED


def test_the_place_is_free_again_after_a_request_that_was_refused(settings: Settings, stores: Stores) -> None:
    wrong = {**small(), "outputs": {"picture": "nothing.encoded"}}
    with serving(settings, stores, at_once=1) as stub:
        for _ in range(3):
            with pytest.raises(Exception, match="INVALID_ARGUMENT"):
                begin(stub, wrong)
        # The engine itself has its place for a moment, whenever it looks into the queue.
        assert any(begin(stub).state == pb.EXECUTION_STATE_RUNNING for _ in range(20))


def test_a_caller_that_leaves_cancels_nothing(settings: Settings, stores: Stores) -> None:
    spec = {**hanging(), "steps": {"decode": {**hanging()["steps"]["decode"], "retry": {"attempts": 2, "delay_s": 1}}}}
    with serving(settings, stores) as stub:
        method = stub.channel.unary_unary(
            "/imageflow.v1.ImageProcessingService/ProcessSingleImage",
            request_serializer=pb.ImageRequest.SerializeToString,
            response_deserializer=pb.ProcessingResponse.FromString,
        )
        call = method.future(spec_request(image(), spec, correlation_id="leaves"), timeout=30)
        execution = until_accepted(stores, "leaves")
        call.cancel()
        assert ended(stores, execution).record.state is ExecutionState.FAILED


def test_an_engine_that_stops_gives_it_back(settings: Settings, stores: Stores) -> None:
    with serving(settings, stores, grace_s=0.1) as stub:
        execution = uuid.UUID(begin(stub, hanging()).execution_id)
        until_running(stores, execution, "decode")
    assert states(stores, execution) == ["queued", "running", "queued"]
    cancel_execution(stores, execution)


def until_accepted(stores: Stores, correlation: str) -> uuid.UUID:
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        with stores.database.begin() as connection:
            asked = text("SELECT id FROM executions WHERE correlation = :correlation")
            found = connection.execute(asked, {"correlation": correlation}).scalar_one_or_none()
        if found is not None:
            return uuid.UUID(str(found))
        time.sleep(0.02)
    raise AssertionError(f"'{correlation}' was never accepted")
