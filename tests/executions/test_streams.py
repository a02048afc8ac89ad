"""Camera streams as executions: rows, leases, and what becomes of them."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import text

from imageflow_clients.stores import Stores
from imageflow_domain.access import LOCAL_OPERATOR
from imageflow_domain.errors import Cancelled, InvalidInput, InvalidPipeline, Unavailable
from imageflow_domain.executions import ExecutionState, FrameCounts
from imageflow_engine.resident import Resident
from imageflow_executions.estimate import estimate_s
from imageflow_executions.history import cancel_execution, get_execution
from imageflow_executions.leases import requeue_expired
from imageflow_executions.start import StartRequest, repeat_execution
from imageflow_executions.streams import Stream, Streams
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.plan import plan
from imageflow_pipelines.spec_text import parse_spec
from tests.executions.starts import ended, image, small, started

Running = Callable[..., AbstractContextManager[Resident]]


@pytest.fixture
def streams(stores: Stores) -> Iterator[Streams]:
    with Engine() as engine:
        yield Streams(stores, engine, "one")


def begun(streams: Streams, spec: dict[str, Any] | None = None) -> Stream:
    return streams.begin(StartRequest(spec=spec or small(), protocol="grpc", client="camera"), LOCAL_OPERATOR)


def test_a_stream_is_one_running_execution_that_ends_with_its_counts_and_steps(
    streams: Streams, stores: Stores
) -> None:
    stream = begun(streams)
    execution = uuid.UUID(stream.id)
    record = get_execution(stores, execution).record
    assert (record.state, record.attempt, record.frames) == (ExecutionState.RUNNING, 1, FrameCounts())
    with Engine() as engine:
        for seed in range(3):
            direct = engine.run(plan(parse_spec(small())), {"picture": image(seed)}).succeeded()
            made = stream.process(image(seed)).outputs["picture"]
            assert made is not None
            assert made.data == direct.outputs["picture"].data  # type: ignore[union-attr]
    broken = stream.process(b"no image")
    assert broken.error is not None
    assert (broken.error.code, broken.error.step, broken.outputs) == ("STEP_REFUSED", "decode", {})
    counts = FrameCounts(processed=3, dropped=2, failed=1)
    stream.beat(counts)
    assert get_execution(stores, execution).record.frames == counts
    stream.end(ExecutionState.COMPLETED, counts)
    found = get_execution(stores, execution)
    assert (found.record.state, found.record.frames, found.record.outputs) == (ExecutionState.COMPLETED, counts, {})
    assert [(step.step, step.status) for step in found.steps] == [
        ("decode", "failed"),
        ("small", "done"),
        ("grey", "done"),
        ("encoded", "done"),
    ]
    assert all(step.seconds > 0 for step in found.steps)


def test_nothing_of_a_frame_is_stored(streams: Streams, stores: Stores) -> None:
    before = sum(1 for _ in stores.objects.list(""))
    stream = begun(streams)
    stream.process(image())
    stream.end(ExecutionState.COMPLETED, FrameCounts(processed=1))
    assert sum(1 for _ in stores.objects.list("")) == before


def test_a_stream_is_cancelled_by_its_id(streams: Streams, stores: Stores) -> None:
    stream = begun(streams)
    cancel_execution(stores, uuid.UUID(stream.id))
    with pytest.raises(Cancelled):
        stream.beat(FrameCounts())
    stream.end(ExecutionState.CANCELLED, FrameCounts())
    assert get_execution(stores, uuid.UUID(stream.id)).record.state is ExecutionState.CANCELLED


def test_a_client_that_left_makes_a_cancelled_execution(streams: Streams, stores: Stores) -> None:
    stream = begun(streams)
    stream.end(ExecutionState.CANCELLED, FrameCounts(dropped=4))
    record = get_execution(stores, uuid.UUID(stream.id)).record
    assert (record.state, record.frames) == (ExecutionState.CANCELLED, FrameCounts(dropped=4))


def test_a_stream_of_a_lost_engine_fails_and_is_not_begun_again(
    streams: Streams, stores: Stores, running: Running
) -> None:
    stream = begun(streams)
    with stores.database.begin() as connection:
        connection.execute(text("UPDATE execution_leases SET until = now() - interval '1 second'"))
    requeue_expired(stores)
    record = get_execution(stores, uuid.UUID(stream.id)).record
    assert record.error is not None
    assert (record.state, record.error.code) == (ExecutionState.FAILED, "ENGINE_LOST")
    with pytest.raises(Unavailable, match="lost the stream"):
        stream.beat(FrameCounts(processed=9))
    stream.end(ExecutionState.COMPLETED, FrameCounts(processed=9))
    again = get_execution(stores, uuid.UUID(stream.id)).record
    assert (again.state, again.frames) == (ExecutionState.FAILED, FrameCounts())
    with running():  # other executions are not disturbed
        assert ended(stores, started(stores).id).record.state is ExecutionState.COMPLETED


def test_a_stream_cannot_be_executed_again(streams: Streams, stores: Stores) -> None:
    stream = begun(streams)
    stream.end(ExecutionState.COMPLETED, FrameCounts())
    with pytest.raises(InvalidInput, match="camera stream"):
        repeat_execution(stores, uuid.UUID(stream.id), LOCAL_OPERATOR, protocol="test")


def test_streams_are_not_part_of_estimates(streams: Streams, stores: Stores) -> None:
    stream = begun(streams, small("estimated"))
    stream.end(ExecutionState.COMPLETED, FrameCounts(processed=100))
    assert started(stores, small("estimated")).estimated_end_at is None
    assert estimate_s([], 1) is None


def test_what_cannot_be_streamed_is_refused(streams: Streams) -> None:
    two = small() | {"inputs": ["picture", "other"]}
    with pytest.raises(InvalidInput, match="one input"):
        begun(streams, two)
    cyclic = small()
    cyclic["steps"]["small"]["from"] = {"image": "grey.image"}
    with pytest.raises(InvalidPipeline, match="feeds itself"):
        begun(streams, cyclic)
