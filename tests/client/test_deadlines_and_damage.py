"""Servers that hang, and outputs that arrive damaged."""

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from imageflow.client import Client
from imageflow.v1 import image_processing_pb2 as pb
from imageflow.v1.limits import SERVICE
from imageflow_domain import errors
from tests.client.stub_gateway import EXECUTION, Request, execution, stub_gateway

EDGES = b"its edges"


@contextmanager
def stub_engine(inline: bytes) -> Iterator[str]:
    """Give the address of an engine whose results have `inline` as the bytes of an output that is `EDGES`."""

    def process(_: bytes, __: Any) -> bytes:
        output = pb.OutputFile(name="edges", sha256=hashlib.sha256(EDGES).hexdigest(), size=len(EDGES), data=inline)
        state = pb.EXECUTION_STATE_COMPLETED
        result = pb.ProcessingResult(execution_id=str(EXECUTION), state=state, outputs=[output])
        return pb.ProcessingResponse(result=result).SerializeToString()

    def read(_: bytes, __: Any) -> Iterator[bytes]:
        yield pb.OutputChunk(data=EDGES).SerializeToString()

    methods = {
        "ProcessSingleImage": grpc.unary_unary_rpc_method_handler(process),
        "ReadOutput": grpc.unary_stream_rpc_method_handler(read),
    }
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("inline", [EDGES, b"its hedge", b""])
def test_an_output_that_a_message_has_damaged_is_read_again(inline: bytes) -> None:
    with stub_engine(inline) as address, Client(address) as client:
        done = client.process(b"image", pipeline="edges")
    edges = done.outputs["edges"]
    assert edges is not None
    assert edges.data == EDGES


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Let servers that hang go on once the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_the_deadline_of_a_call_holds_while_the_address_of_the_engine_is_asked_for(over: threading.Event) -> None:
    def hangs(_: Request) -> Iterator[bytes]:
        over.wait(60)
        yield b""

    with stub_gateway(hangs) as url, Client(url, protocol="grpc") as client:
        begun_s = time.monotonic()
        with pytest.raises(errors.Timeout):
            client.get(EXECUTION, deadline_s=1)
        assert time.monotonic() - begun_s < 5  # one attempt without the call's deadline
        over.set()


def test_an_execution_whose_outputs_are_not_read_in_time_is_named(over: threading.Event) -> None:
    def has_slow_outputs(request: Request) -> Iterator[bytes]:
        if request.method == "POST":
            yield execution("completed", {"edges": EDGES})
        else:
            over.wait(60)

    with stub_gateway(has_slow_outputs) as url, Client(url, protocol="rest") as client:
        with pytest.raises(errors.Timeout, match=str(EXECUTION)):
            client.process(b"image", pipeline="edges", deadline_s=2)
        over.set()
