"""Log lines of executions by gRPC."""

import threading
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import grpc
import pytest

from imageflow.v1 import image_processing_pb2 as pb
from imageflow_clients.stores import Stores
from imageflow_domain.executions import ExecutionRecord, new_id
from imageflow_executions.history import cancel_execution
from tests.executions.starts import logged, started
from tests.rpc.conftest import Stub, refused


@pytest.fixture
def waiting(stores: Stores) -> Iterator[ExecutionRecord]:
    """An execution that no engine takes, with 450 lines."""
    record = started(stores)
    logged(stores, record, *map(str, range(450)), attempt=1)
    yield record
    cancel_execution(stores, record.id)


def request(execution: uuid.UUID, **fields: Any) -> pb.LogRequest:
    return pb.LogRequest(execution_id=str(execution), **fields)


def texts(messages: Any) -> list[str]:
    return [line.text for message in messages for line in message.lines]


def test_the_lines_that_are_there_come_in_several_messages(stub: Stub, waiting: ExecutionRecord) -> None:
    messages = list(stub.read_log(request(waiting.id)))
    assert texts(messages) == [str(number) for number in range(450)]
    assert len(messages) == 3
    assert not messages[-1].is_end
    (line, *_) = messages[0].lines
    assert (line.cursor, line.step, line.level, line.at.seconds > 0) == ("1-1", "decode", "info", True)
    assert texts(stub.read_log(request(waiting.id, after="1-449"))) == ["449"]


def test_a_follower_gets_what_comes_until_the_end(stub: Stub, stores: Stores, waiting: ExecutionRecord) -> None:
    found: list[Any] = []
    thread = threading.Thread(
        target=lambda: found.extend(stub.read_log(request(waiting.id, after="1-450", follow=True)))
    )
    thread.start()
    logged(stores, waiting, "450", first=451, attempt=1)
    logged(stores, waiting, "451", first=452, attempt=1)
    cancel_execution(stores, waiting.id)
    thread.join()
    assert texts(found) == ["450", "451"]
    assert found[-1].is_end


def test_a_wrong_place_and_an_unknown_execution_are_refused(stub: Stub, waiting: ExecutionRecord) -> None:
    for wrong, code in (
        (request(waiting.id, after="x"), grpc.StatusCode.INVALID_ARGUMENT),
        (request(new_id()), grpc.StatusCode.NOT_FOUND),
        (request(new_id(), follow=True), grpc.StatusCode.NOT_FOUND),
    ):
        assert refused(partial(stub.read_log, wrong))[0] is code
