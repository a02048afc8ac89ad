import hashlib
import time
import uuid

import grpc
import pytest

from imageflow.v1 import image_processing_pb2 as pb
from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.stores import Stores
from imageflow_domain.executions import Priority
from imageflow_executions.history import Filter, get_execution, list_executions
from imageflow_executions.image_objects import read_object
from tests.executions.conftest import engine_over
from tests.executions.starts import ended, hanging, image, small, until_running
from tests.rpc.conftest import Stub, refused, spec_request


@pytest.fixture(scope="module", autouse=True)
def published(stores: Stores) -> None:
    publish_pipeline(stores, small("live"))


def of(pipeline: str = "live", **config: object) -> pb.ImageMetadata:
    return pb.ImageMetadata(pipeline_config=pb.PipelineConfig(pipeline_id=pipeline, **config))


def started(stub: Stub, spec: dict[str, object] | None = None) -> uuid.UUID:
    answer = stub.process(spec_request(image(), spec, wait_s=0))
    assert answer.result.state in (pb.EXECUTION_STATE_QUEUED, pb.EXECUTION_STATE_RUNNING)
    return uuid.UUID(answer.result.execution_id)


def test_an_image_in_one_message_is_answered_with_its_outputs_and_steps(
    stub: Stub, stores: Stores, engine: None
) -> None:
    answer = stub.process(
        pb.ImageRequest(
            correlation_id="req-12345",
            image_data=image(),
            metadata=pb.ImageMetadata(
                client_id="client-001",
                pipeline_config=pb.PipelineConfig(pipeline_id="live", parameters={"width_px": "20"}, priority=pb.HIGH),
            ),
        )
    )
    result = answer.result
    assert (result.state, result.correlation_id, result.pipeline) == (
        pb.EXECUTION_STATE_COMPLETED,
        "req-12345",
        "live@1",
    )
    assert [(each.step, each.status, each.tries) for each in answer.steps] == [
        (step, "done", 1) for step in ("decode", "small", "grey", "encoded")
    ]
    assert all(each.resources.cpu_s > 0 and each.resources.peak_memory_bytes > 0 for each in answer.steps)
    found = get_execution(stores, uuid.UUID(result.execution_id)).record
    assert found.request.parameters["small"]["width_px"] == 20
    assert (found.request.priority, found.request.client, found.request.protocol) == (
        Priority.HIGH,
        "client-001",
        "grpc",
    )
    assert {each.name for each in result.outputs} == {"picture", "pixels"}
    for each in result.outputs:
        stored = found.outputs[each.name]
        assert stored is not None
        assert each.data == read_object(stores, stored)
        assert (each.sha256, each.size) == (hashlib.sha256(each.data).hexdigest(), len(each.data))


@pytest.mark.parametrize(
    ("config", "priority"),
    [
        (pb.PipelineConfig(pipeline_id="live"), Priority.NORMAL),
        (pb.PipelineConfig(pipeline_id="live", priority=pb.LOW), Priority.LOW),
        (pb.PipelineConfig(pipeline_id="live", priority=pb.HIGH), Priority.HIGH),
    ],
)
def test_a_priority_that_is_not_set_is_normal(
    stub: Stub, stores: Stores, config: pb.PipelineConfig, priority: Priority
) -> None:
    request = pb.ImageRequest(image_data=image(), metadata=pb.ImageMetadata(pipeline_config=config), wait_s=0)
    answer = stub.process(request)
    execution = uuid.UUID(answer.result.execution_id)
    assert get_execution(stores, execution).record.request.priority is priority
    assert stub.cancel(pb.ExecutionRequest(execution_id=str(execution))).result.state == pb.EXECUTION_STATE_CANCELLED


def test_the_answer_comes_before_the_deadline_with_the_state_of_that_moment(stub: Stub) -> None:
    answer = stub.process(spec_request(image()), timeout=2)  # after which gRPC would raise
    assert answer.result.state == pb.EXECUTION_STATE_QUEUED
    stub.cancel(pb.ExecutionRequest(execution_id=answer.result.execution_id))


def test_the_same_key_is_the_same_execution_and_another_request_with_it_is_refused(stub: Stub) -> None:
    key = (("idempotency-key", uuid.uuid4().hex),)
    first, second = (stub.process(spec_request(image(), wait_s=0), metadata=key) for _ in range(2))
    assert first.result.execution_id == second.result.execution_id
    code, said = refused(lambda: stub.process(spec_request(image(1), wait_s=0), metadata=key))
    assert (code, said.code) == (grpc.StatusCode.ALREADY_EXISTS, "CONFLICT")
    stub.cancel(pb.ExecutionRequest(execution_id=first.result.execution_id))


def test_a_failed_execution_is_an_answer_with_its_step_and_reason(stub: Stub, engine: None) -> None:
    result = stub.process(spec_request(b"no image at all")).result
    assert result.state == pb.EXECUTION_STATE_FAILED
    assert (result.error.code, result.error.metadata["failed_step"]) == ("STEP_REFUSED", "decode")
    assert result.error.metadata["execution_id"] == result.execution_id


def test_large_outputs_are_read_in_parts(stub: Stub, engine: None) -> None:
    spec = {
        "pipeline": "large",
        "steps": {
            "decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}},
            "large": {"use": "resize@1", "with": {"width_px": 1600}, "from": {"image": "decode.image"}},
        },
        "outputs": {"pixels": "large.image"},
    }
    result = stub.process(spec_request(image(width=500, height=500), spec)).result
    (output,) = result.outputs
    assert output.size > 3 * 2**20
    assert not output.HasField("data")
    parts = list(stub.read(pb.OutputRequest(execution_id=result.execution_id, name="pixels")))
    assert max(len(part.data) for part in parts) <= 2**20
    whole = b"".join(part.data for part in parts)
    assert (len(whole), hashlib.sha256(whole).hexdigest()) == (output.size, output.sha256)


def test_a_follower_gets_every_change_once_and_continues_after_any_of_them(stub: Stub, engine: None) -> None:
    execution = str(started(stub))
    seen = list(stub.watch(pb.WatchRequest(execution_id=execution)))
    assert seen[0].HasField("snapshot")
    assert seen[-1].state.state == pb.EXECUTION_STATE_COMPLETED
    all_of_them = list(stub.watch(pb.WatchRequest(execution_id=execution, after="0-0")))
    assert [each.WhichOneof("event") for each in all_of_them] == ["state", "state", *["step"] * 8, "state"]
    for place, event in enumerate(all_of_them):
        later = list(stub.watch(pb.WatchRequest(execution_id=execution, after=event.cursor)))
        assert later == all_of_them[place + 1 :]


def test_a_running_execution_is_cancelled_and_one_that_has_ended_is_not(
    stub: Stub, stores: Stores, engine: None
) -> None:
    execution = started(stub, hanging())
    until_running(stores, execution, "decode")
    stub.cancel(pb.ExecutionRequest(execution_id=str(execution)))
    events = stub.watch(pb.WatchRequest(execution_id=str(execution)))
    assert list(events)[-1].state.state == pb.EXECUTION_STATE_CANCELLED
    code, said = refused(lambda: stub.cancel(pb.ExecutionRequest(execution_id=str(started_and_done(stub)))))
    assert (code, said.code) == (grpc.StatusCode.ALREADY_EXISTS, "CONFLICT")


def started_and_done(stub: Stub) -> str:
    return str(stub.process(spec_request(image())).result.execution_id)


def test_a_client_that_goes_away_does_not_stop_its_execution(stub: Stub, stores: Stores) -> None:
    key = uuid.uuid4().hex
    call = stub.channel.unary_unary(
        "/imageflow.v1.ImageProcessingService/ProcessSingleImage", request_serializer=pb.ImageRequest.SerializeToString
    ).future(spec_request(image(), metadata=pb.ImageMetadata(client_id=key)), timeout=30)
    until = time.monotonic() + 30
    while not (found := list_executions(stores, Filter(client=key)).items):
        assert time.monotonic() < until
        time.sleep(0.02)
    call.cancel()
    with engine_over(stores):
        assert ended(stores, found[0].id).record.state == "completed"


@pytest.mark.parametrize(
    ("request_", "code", "said"),
    [
        (pb.ImageRequest(image_data=b"x"), "INVALID_ARGUMENT", "INVALID_INPUT"),
        (pb.ImageRequest(image_data=b"x", metadata=of("absent")), "NOT_FOUND", "NOT_FOUND"),
        (pb.ImageRequest(metadata=of()), "INVALID_ARGUMENT", "INVALID_INPUT"),
        (pb.ImageRequest(image_data=b"x", metadata=of(priority=7)), "INVALID_ARGUMENT", "INVALID_INPUT"),
        (
            pb.ImageRequest(image_data=b"x", metadata=of(parameters={"width_px": "wide"})),
            "INVALID_ARGUMENT",
            "VALIDATION_FAILED",
        ),
        (pb.ImageRequest(image_data=b"x", spec_json="["), "INVALID_ARGUMENT", "INVALID_INPUT"),
        (pb.ImageRequest(image_data=b"x", spec_json="[" * 100_000), "INVALID_ARGUMENT", "INVALID_INPUT"),
        (pb.ImageRequest(image_data=b"x", images={"a": b"y"}, metadata=of()), "INVALID_ARGUMENT", "INVALID_INPUT"),
        (pb.ImageRequest(image_data=b"x", metadata=of(), wait_s=-1), "INVALID_ARGUMENT", "INVALID_INPUT"),
        (pb.ImageRequest(image_data=b"x", metadata=of(), wait_s=float("nan")), "INVALID_ARGUMENT", "INVALID_INPUT"),
    ],
)
def test_what_is_wrong_with_a_request_is_in_the_status_details(
    stub: Stub, request_: pb.ImageRequest, code: str, said: str
) -> None:
    found, detail = refused(lambda: stub.process(request_))
    assert (found.name, detail.code) == (code, said)
    assert detail.message


def test_faults_of_a_spec_have_their_paths(stub: Stub) -> None:
    spec = small() | {"steps": small()["steps"] | {"grey": {"use": "absent@1"}}}
    _, said = refused(lambda: stub.process(spec_request(image(), spec)))
    assert any(path.startswith("steps.grey") for path in said.metadata), said


@pytest.mark.parametrize("method", ["get", "cancel", "watch", "read"])
@pytest.mark.parametrize(
    ("text", "code"), [("exec-12345", "INVALID_ARGUMENT"), (str(uuid.UUID(int=(7 << 76) | (2 << 62))), "NOT_FOUND")]
)
def test_an_execution_that_is_not_there_is_said_so(stub: Stub, method: str, text: str, code: str) -> None:
    message = {
        "watch": pb.WatchRequest(execution_id=text),
        "read": pb.OutputRequest(execution_id=text, name="picture"),
    }.get(method, pb.ExecutionRequest(execution_id=text))
    assert refused(lambda: getattr(stub, method)(message))[0].name == code


def test_a_page_of_another_site_writes_nothing(stub: Stub) -> None:
    origin = (("origin", "https://evil.example"),)
    code, said = refused(lambda: stub.process(spec_request(image()), metadata=origin))
    assert (code, said.code) == (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")


def test_more_than_may_wait_is_refused_with_a_time_to_come_back(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imageflow_executions.start.MOST_WAITING", 0)
    code, said = refused(lambda: stub.process(spec_request(image())))
    assert (code, said.code, said.metadata["retry_after"]) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "OVERLOADED",
        "5",
    )


def test_outputs_that_their_clients_do_not_read_keep_no_other_waiting_for_long(
    stub: Stub, engine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imageflow_engine.rpc.service._READ_WITHIN_S", 1.0)
    spec = small() | {"outputs": {"pixels": "decode.image"}}
    huge = stub.process(spec_request(image(width=1_100, height=1_100), spec)).result.execution_id
    unread = [stub.read(pb.OutputRequest(execution_id=huge, name="pixels")) for _ in range(8)]
    assert all(next(each).data for each in unread)
    asked = pb.OutputRequest(execution_id=started_and_done(stub), name="picture")
    until_s = time.monotonic() + 20  # a message that is not read may take 30 s
    while not is_read(stub, asked):
        assert time.monotonic() < until_s
    for each in unread:
        each.cancel()


def is_read(stub: Stub, asked: pb.OutputRequest) -> bool:
    try:
        return bool(list(stub.read(asked)))
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED  # noqa: PT017 - the output was asked for too early
        return False


def test_an_unexpected_error_is_answered_without_its_inside(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("imageflow_engine.rpc.service.get_execution", broken)
    code, said = refused(lambda: stub.get(pb.ExecutionRequest(execution_id=str(uuid.UUID(int=(7 << 76) | (2 << 62))))))
    assert (code, said.code) == (grpc.StatusCode.INTERNAL, "INTERNAL_ERROR")
    assert "secret" not in said.message
