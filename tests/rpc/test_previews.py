"""Previews over gRPC: whole exchanges, the newest request, and what is hostile or broken."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from imageflow.v1 import preview_pb2 as pb
from imageflow.v1.limits import PREVIEW_SERVICE
from imageflow_domain.cancellation import Cancellation
from imageflow_engine.rpc.call import Call
from imageflow_executions.preview import PreviewRequest, Previews
from tests.executions.starts import hanging, image, small
from tests.rpc.conftest import Stub, refused
from tests.rpc.test_hostile import answers_of, mutated


def kept(stub: Stub, data: bytes, *, size: int = 1_000) -> str:
    chunks = (pb.SampleChunk(data=data[begin : begin + size]) for begin in range(0, len(data), size))
    digest: str = stub.keep(chunks).sha256
    return digest


def request(digest: str, spec: dict[str, Any] | None = None, step: str = "encoded", **more: Any) -> pb.PreviewRequest:
    options = {"session": "page", "spec_json": json.dumps(spec or small()), "step": step}
    return pb.PreviewRequest(samples=[pb.PreviewSample(images={"image": digest})], **{**options, **more})


def test_a_sample_is_kept_and_its_preview_has_the_bytes_of_the_use_case(stub: Stub, previews: Previews) -> None:
    data = image(3, width=300, height=200)
    digest = kept(stub, data)
    assert digest == hashlib.sha256(data).hexdigest()
    first, *parts = stub.preview(request(digest))
    (sample,) = first.results.samples
    (output,) = sample.outputs
    made = b"".join(part.data for part in parts)
    wanted = PreviewRequest(spec=small(), step="encoded", samples=[{"picture": digest}])
    (direct,) = previews.compute(wanted, Cancellation())
    expected = direct.outputs["encoded"]
    assert expected is not None
    assert (made, output.sha256, output.size) == (expected.file.data, hashlib.sha256(made).hexdigest(), len(made))
    assert [(step.step, step.status) for step in sample.steps] == [
        (step, "done") for step in ("decode", "small", "grey", "encoded")
    ]


def test_an_older_request_of_a_session_ends_within_two_seconds(stub: Stub) -> None:
    digest, unseen = kept(stub, image()), kept(stub, image(50))  # of which no step is kept: what hangs on it does hang
    ends: list[tuple[float, Any]] = []

    def older() -> None:
        answer = refused(lambda: stub.preview(request(unseen, hanging(), "decode")))
        ends.append((time.monotonic(), answer))

    other = stub.preview(request(unseen, hanging(), "decode", session="another page"))
    thread = threading.Thread(target=older)
    thread.start()
    time.sleep(0.5)
    begun_s = time.monotonic()
    assert list(stub.preview(request(digest)))
    thread.join(10)
    ((ended_s, (code, said)),) = ends
    assert (code, said.code) == (grpc.StatusCode.ABORTED, "SUPERSEDED")
    assert ended_s - begun_s < 2
    assert other.is_active()  # of another session
    other.cancel()


def test_a_client_that_leaves_frees_its_place(stub: Stub) -> None:
    for number in range(4):  # more than go on at once
        unseen = kept(stub, image(60 + number))
        leaving = stub.preview(request(unseen, hanging(), "decode", session=f"leaves {number}"))
        time.sleep(0.2)
        assert leaving.is_active()
        leaving.cancel()
    assert list(stub.preview(request(kept(stub, image())), timeout=10))


def test_a_forgotten_sample_and_a_wrong_spec_are_said(stub: Stub) -> None:
    code, said = refused(lambda: stub.preview(request("0" * 64)))
    assert (code, said.code) == (grpc.StatusCode.NOT_FOUND, "SAMPLE_FORGOTTEN")
    digest = kept(stub, image())
    code, said = refused(lambda: stub.preview(request(digest, step="nowhere")))
    assert (code, said.code) == (grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_FAILED")
    assert set(said.metadata) == {"step"}
    for wrong in ({"session": ""}, {"session": "x" * 201}, {"spec_json": "["}, {"longest_side_px": 5}):
        code, said = refused(lambda wrong=wrong: stub.preview(request(digest, **wrong)))  # type: ignore[misc]
        assert (code, said.code) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")


def test_a_sample_beyond_the_limit_is_refused_before_all_of_it_has_come(stub: Stub) -> None:
    sent = 0

    def endless() -> Iterator[pb.SampleChunk]:
        nonlocal sent
        while True:
            sent += 1
            yield pb.SampleChunk(data=b"x" * 2**20)

    code, said = refused(lambda: stub.keep(endless()))
    assert (code, said.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE")
    assert sent < 64


def test_a_slow_sender_of_a_sample_is_refused_after_a_time(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Call.receive.__kwdefaults__, "within_s", 0.5)
    ended = threading.Event()

    def sending() -> Iterator[pb.SampleChunk]:
        yield pb.SampleChunk(data=b"x")
        ended.wait(30)

    code, said = refused(lambda: stub.keep(sending()))
    ended.set()
    assert (code, said.code) == (grpc.StatusCode.DEADLINE_EXCEEDED, "TIMEOUT")


@pytest.mark.parametrize("method", ["Preview", "KeepSample"])
def test_mutated_messages_are_answered_or_refused_with_a_reason(stub: Stub, method: str) -> None:
    digest = kept(stub, image())
    call = stub.raw(method, "stream_stream", PREVIEW_SERVICE)
    valid = request(digest) if method == "Preview" else pb.SampleChunk(data=image())
    for _ in range(60):
        answers_of(call(iter([mutated(valid.SerializeToString())]), timeout=20))
    assert list(stub.preview(request(digest)))


def test_mutated_specs_are_answered_or_refused_with_a_reason(stub: Stub) -> None:
    digest = kept(stub, image())
    text = json.dumps(small()).encode()
    for _ in range(60):
        spec = mutated(text).decode(errors="replace")
        answers_of(stub.preview(request(digest, spec_json=spec)))
