import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.core import events
from imageflow_clients.stores import Stores
from imageflow_domain.access import LOCAL_OPERATOR
from imageflow_domain.events import BEGINNING
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import ExecutionState
from imageflow_engine.resident import Resident
from imageflow_executions.history import cancel_execution
from imageflow_executions.image_objects import read_object
from imageflow_executions.start import StartRequest, repeat_execution, start_execution
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.plan import plan
from imageflow_pipelines.spec_text import parse_spec
from imageflow_pipelines.value_file import file_of
from tests.executions.starts import ended, hanging, image, small, started, until_running

Running = Callable[..., AbstractContextManager[Resident]]


def kinds(stores: Stores, execution: object) -> list[tuple[str, str]]:
    with stores.database.begin() as connection:
        found = events.read_subject(connection, subject_of(execution), after=BEGINNING, limit=100)
    return [
        (str(one.event.data.get("step", "")), str(one.event.data.get("status") or one.event.data["state"]))
        for one in found
    ]


def test_an_execution_gives_what_the_pipeline_gives_by_itself(stores: Stores, running: Running) -> None:
    data = image(3)
    with running():
        record = started(stores, images={"picture": data})
        found = ended(stores, record.id)
    with Engine() as engine:
        alone = engine.run(plan(parse_spec(small())), {"picture": data})
    assert found.record.state is ExecutionState.COMPLETED
    for name, value in alone.outputs.items():
        assert value is not None
        stored = found.record.outputs[name]
        assert stored is not None
        made = file_of(value)
        assert (stored.kind, stored.media_type, stored.size) == (made.kind, made.media_type, len(made.data))
        assert read_object(stores, stored) == made.data


def test_every_change_is_an_event_once_and_in_order(stores: Stores, running: Running) -> None:
    with running():
        record = started(stores)
        found = ended(stores, record.id)
    seen = kinds(stores, record.id)
    assert seen[:2] == [("", "queued"), ("", "running")]
    assert seen[-1] == ("", "completed")
    for step in ("decode", "small", "grey", "encoded"):
        assert [status for name, status in seen if name == step] == ["running", "done"]
    assert [each.step for each in found.steps] == ["decode", "small", "grey", "encoded"]
    assert [each.status for each in found.steps] == ["done"] * 4
    assert all(each.seconds >= 0 and len(each.tries) == 1 for each in found.steps)


def test_each_step_has_what_it_used_and_so_has_the_event_of_its_end(stores: Stores, running: Running) -> None:
    with running():
        record = started(stores)
        found = ended(stores, record.id)
    for step in found.steps:
        assert step.resources.cpu_s is not None
        assert 0 < step.resources.cpu_s < 5
        assert step.resources.peak_memory_bytes is not None
        assert step.resources.peak_memory_bytes > 10 * 2**20
    with stores.database.begin() as connection:
        log = events.read_subject(connection, subject_of(record.id), after=BEGINNING, limit=100)
    done = {one.event.data["step"]: one.event.data for one in log if one.event.data.get("status") == "done"}
    assert {name: data["resources"] for name, data in done.items()} == {
        step.step: step.resources.to_data() for step in found.steps
    }


def test_a_step_that_refuses_its_input_fails_the_execution_with_its_name(stores: Stores, running: Running) -> None:
    with running():
        record = started(stores, images={"picture": b"no image at all"})
        found = ended(stores, record.id)
    assert found.record.state is ExecutionState.FAILED
    assert found.record.error is not None
    assert (found.record.error.code, found.record.error.step) == ("STEP_REFUSED", "decode")
    assert "no JPEG" in found.record.error.message
    assert {each.step: each.status for each in found.steps} == {
        "decode": "failed",
        "small": "cancelled",
        "grey": "cancelled",
        "encoded": "cancelled",
    }


def test_a_running_execution_is_cancelled_within_two_seconds_and_no_other(stores: Stores, running: Running) -> None:
    with running():
        record = started(stores, hanging())
        other = started(stores, hanging())
        until_running(stores, record.id, "decode")
        until_running(stores, other.id, "decode")
        begun = time.monotonic()
        cancel_execution(stores, record.id)
        assert ended(stores, record.id).record.state is ExecutionState.CANCELLED
        assert time.monotonic() - begun < 2
        cancel_execution(stores, other.id)
        assert ended(stores, other.id).record.state is ExecutionState.CANCELLED
    assert kinds(stores, record.id)[-1] == ("", "cancelled")


def test_a_published_pipeline_is_executed_with_replaced_parameters_and_repeated_to_the_same_bytes(
    stores: Stores, running: Running
) -> None:
    publish_pipeline(stores, small("published"))
    start_request = StartRequest(pipeline="published", parameters={"small.width_px": "16"}, protocol="test")
    with running():
        record = start_execution(stores, start_request, {"anything": image(5)}, LOCAL_OPERATOR)
        first = ended(stores, record.id).record
        again = ended(stores, repeat_execution(stores, record.id, LOCAL_OPERATOR, protocol="test").id).record
    assert first.request.pipeline == "published@1"
    assert first.request.spec is None
    assert first.request.parameters["small"]["width_px"] == 16
    assert again.request.parameters == first.request.parameters
    assert {name: each and each.sha256 for name, each in again.outputs.items()} == {
        name: each and each.sha256 for name, each in first.outputs.items()
    }
    assert again.id != first.id


def test_an_input_that_is_gone_fails_the_execution_and_disturbs_no_other(stores: Stores, running: Running) -> None:
    broken, whole = started(stores), started(stores)
    stores.objects.delete(broken.inputs["picture"].key)
    with running():
        assert ended(stores, whole.id).record.state is ExecutionState.COMPLETED
        found = ended(stores, broken.id).record
    assert found.state is ExecutionState.FAILED
    assert found.error is not None
    assert found.error.code == "OBJECT_MISSING"


def test_an_engine_that_stops_gives_back_what_it_cannot_end(stores: Stores, running: Running) -> None:
    record = started(stores, hanging())
    with running(grace_s=0.1):
        until_running(stores, record.id, "decode")
    seen = kinds(stores, record.id)
    assert seen[-1] == ("", "queued")
    cancel_execution(stores, record.id)
    assert kinds(stores, record.id)[-1] == ("", "cancelled")


def test_hundred_executions_by_two_engines_are_each_executed_once(stores: Stores, running: Running) -> None:
    wanted = [started(stores, images={"picture": image(seed % 3)}) for seed in range(100)]
    with running(name="one"), running(name="two"):
        found = [ended(stores, record.id).record for record in wanted]
    assert {record.state for record in found} == {ExecutionState.COMPLETED}
    assert {record.attempt for record in found} == {1}
    for record in wanted:
        assert [status for step, status in kinds(stores, record.id) if not step] == ["queued", "running", "completed"]
