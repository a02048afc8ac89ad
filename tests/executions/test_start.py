from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from imageflow_catalog.components import register_component
from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.executions import months, rows
from imageflow_clients.stores import Stores
from imageflow_domain.access import LOCAL_OPERATOR
from imageflow_domain.errors import Conflict, InvalidInput, InvalidPipeline, NotFound, NotReady, TooLarge
from imageflow_domain.executions import ExecutionState, Priority, Runner, created_month, first_id, new_id, parse_id
from imageflow_executions.estimate import estimate_s
from imageflow_executions.hand_over import list_handed_over
from imageflow_executions.history import Filter, cancel_execution, get_execution, list_executions
from imageflow_executions.image_objects import read_inputs
from imageflow_executions.months import prepare_months
from imageflow_executions.parameters import effective, plan_with
from imageflow_executions.start import StartRequest, repeat_execution, start_execution
from imageflow_pipelines.limits import MAX_ENCODED_BYTES
from imageflow_pipelines.spec_text import parse_spec
from tests.executions.starts import image, small, started


def given(parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return effective(plan_with(parse_spec(small()), parameters))


def faults(parameters: Mapping[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidPipeline) as caught:
        given(parameters)
    return {fault.path: fault.reason for fault in caught.value.faults}


@pytest.mark.parametrize(
    "parameters",
    [
        {"small.width_px": 16},
        {"small.width_px": "16"},
        {"width_px": "16"},
        {"small": {"width_px": 16}},
    ],
)
def test_a_parameter_is_found_by_its_step_or_by_its_name_alone(parameters: dict[str, Any]) -> None:
    assert given(parameters)["small"]["width_px"] == 16


def test_text_stays_text_where_the_parameter_is_text() -> None:
    assert given({"grey.space": "hsv", "format": "webp"})["grey"]["space"] == "hsv"
    assert given({"format": "webp"})["encoded"]["format"] == "webp"


def test_parameters_of_no_step_of_several_and_of_a_wrong_kind_are_named_with_their_place() -> None:
    assert "no step has this parameter" in faults({"colour_of_the_sky": 1})["parameters.colour_of_the_sky"]
    assert "there is no step 'large'" in faults({"large.width_px": 1})["parameters.large.width_px"]
    assert "steps.small.with.width_px" in faults({"small.width_px": "wide"})
    assert "steps.small.with.width_px" in faults({"small.width_px": -1})
    spec = small()
    spec["steps"]["grey"] = {"use": "resize@1", "with": {"width_px": 5}, "from": {"image": "small.image"}}
    with pytest.raises(InvalidPipeline, match=r"several steps have it: write small\.width_px or grey\.width_px"):
        plan_with(parse_spec(spec), {"width_px": 3})


def test_defaults_are_among_the_parameters_that_are_stored(stores: Stores) -> None:
    record = started(stores, parameters={"small.width_px": "16"})
    assert record.request.parameters["small"]["width_px"] == 16
    assert record.request.parameters["small"]["mode"] == "stretch"
    assert set(record.request.parameters) == {"decode", "small", "grey", "encoded"}


def test_inputs_are_stored_to_the_byte_before_the_execution_is_accepted(stores: Stores) -> None:
    data = image(9)
    record = started(stores, images={"whatever": data})
    assert read_inputs(stores, record) == {"picture": data}
    stored = record.inputs["picture"]
    assert stored.media_type == "image/png"
    assert stored.key == f"executions/{created_month(record.id)}/{record.id}/inputs/picture.png"


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({}, "takes the images picture; sent were none"),
        ({"left": b"1", "right": b"2"}, "sent were left, right"),
        ({"picture": b""}, "is empty"),
    ],
)
def test_wrong_images_are_refused_and_nothing_is_stored(stores: Stores, images: dict[str, bytes], message: str) -> None:
    before = list(stores.objects.list("executions"))
    with pytest.raises(InvalidInput, match=message):
        started(stores, images=images)
    assert list(stores.objects.list("executions")) == before


def test_an_image_beyond_the_limit_is_refused(stores: Stores) -> None:
    with pytest.raises(TooLarge):
        started(stores, images={"picture": bytes(MAX_ENCODED_BYTES + 1)})


def test_a_pipeline_and_a_spec_or_neither_are_refused(stores: Stores) -> None:
    for start_request in (StartRequest(protocol="test"), StartRequest(pipeline="small", spec=small(), protocol="test")):
        with pytest.raises(InvalidInput, match="one of the two"):
            start_execution(stores, start_request, {"picture": image()}, LOCAL_OPERATOR)
    with pytest.raises(NotFound, match="No pipeline 'never'"):
        start_execution(stores, StartRequest(pipeline="never", protocol="test"), {"picture": image()}, LOCAL_OPERATOR)


def test_a_pipeline_with_a_container_component_waits_for_a_run_of_dagster(stores: Stores) -> None:
    manifest = {
        "name": "focus",
        "version": 1,
        "description": "Measure focus.",
        "inputs": {"image": {"kind": "image"}},
        "outputs": {"measurements": {"kind": "measurements"}},
    }
    register_component(stores, f"registry.example.com/focus@sha256:{'1' * 64}", manifest)
    spec = small("focused")
    spec["steps"]["focus"] = {"use": "focus@1", "from": {"image": "small.image"}}
    spec["outputs"]["focus"] = "focus.measurements"
    record = started(stores, spec)
    assert record.request.runner is Runner.DAGSTER
    assert record.id in {each.execution for each in list_handed_over(stores)}
    assert cancel_execution(stores, record.id).state is ExecutionState.CANCELLED
    assert record.id not in {each.execution for each in list_handed_over(stores)}


def test_the_same_request_with_the_same_key_is_the_same_execution(stores: Stores) -> None:
    first = started(stores, key="once")
    assert started(stores, key="once").id == first.id
    with pytest.raises(Conflict, match="asked for something else"):
        started(stores, key="once", images={"picture": image(1)})
    with pytest.raises(Conflict, match="asked for something else"):
        started(stores, key="once", client="somebody else")
    assert started(stores, key="twice").id != first.id


def test_an_execution_that_goes_on_is_not_repeated(stores: Stores) -> None:
    record = started(stores)
    with pytest.raises(NotReady, match="is queued"):
        repeat_execution(stores, record.id, LOCAL_OPERATOR, protocol="test")


def test_the_history_is_paged_newest_first_and_filtered(stores: Stores) -> None:
    publish_pipeline(stores, small("paged"))
    start_request = StartRequest(pipeline="paged", protocol="test")
    made = [start_execution(stores, start_request, {"picture": image()}, LOCAL_OPERATOR) for _ in range(5)]
    which = Filter(pipeline="paged")
    first = list_executions(stores, which, limit=3)
    second = list_executions(stores, which, after=parse_id(str(first.next)), limit=3)
    assert [each.id for each in (*first.items, *second.items)] == [each.id for each in reversed(made)]
    assert second.next is None
    later = Filter(pipeline="paged", since=made[3].created_at)
    assert {each.id for each in list_executions(stores, later).items} >= {made[4].id}
    assert made[0].id not in {each.id for each in list_executions(stores, later).items}
    assert get_execution(stores, made[0].id).record == made[0]
    with pytest.raises(NotFound):
        get_execution(stores, new_id())


def test_the_history_is_filtered_by_client_priority_and_words_of_the_error(stores: Stores) -> None:
    one = started(stores, client="press 7", priority=Priority.HIGH)
    other = started(stores, client="press 8")
    for record, error in ((one, "Step 'decode': is no JPEG picture"), (other, "Its engine was lost 3 times")):
        with stores.database.begin() as connection:
            connection.execute(
                text("UPDATE executions SET state = 'failed', error_code = 'X', error = :error WHERE id = :id"),
                {"error": error, "id": record.id},
            )

    def found(**which: Any) -> set[UUID]:
        return {each.id for each in list_executions(stores, Filter(**which)).items} & {one.id, other.id}

    assert found(client="press 7") == {one.id}
    assert found(client="press") == set()
    assert found(priority=Priority.HIGH) == {one.id}
    assert found(error="jpeg") == {one.id}
    assert found(error="engine lost") == {other.id}
    assert found(error='"lost engine"') == set()
    assert found(error="jpeg or engine") == {one.id, other.id}
    assert found(error="times -jpeg") == {other.id}
    assert found(error="'; DROP TABLE executions; --") == set()


def test_a_word_that_only_old_errors_have_is_found_by_the_index(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, *newer = [started(stores, client="of old errors") for _ in range(4)]
    with stores.database.begin() as connection:
        for record, error in ((old, "a needle"), *((each, "a common failure") for each in newer)):
            connection.execute(
                text("UPDATE executions SET state = 'failed', error_code = 'X', error = :error WHERE id = :id"),
                {"error": error, "id": record.id},
            )
    monkeypatch.setattr(rows, "_NEWEST", 2)
    which = Filter(error="needle", client="of old errors")
    assert [each.id for each in list_executions(stores, which).items] == [old.id]
    common = Filter(error="common", client="of old errors")
    assert [each.id for each in list_executions(stores, common).items] == [each.id for each in reversed(newer)]
    assert [each.id for each in list_executions(stores, common, after=newer[2].id, limit=1).items] == [newer[1].id]


def test_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    made = [new_id() for _ in range(1000)]
    assert {each.version for each in made} == {7}
    assert {each.variant for each in made} == {"specified in RFC 4122"}
    assert len(set(made)) == 1000
    assert [each.int >> 80 for each in made] == sorted(each.int >> 80 for each in made)
    for wrong in ("", "x" * 36, "01a22c44-dda7-4944-814e-8524373e73ba", str(made[0]).upper(), f"{{{made[0]}}}"):
        if wrong != str(made[0]):
            with pytest.raises(InvalidInput, match="no id of an execution"):
                parse_id(wrong)


def test_months_are_made_ahead_once_and_hold_what_is_made_in_them(stores: Stores) -> None:
    with stores.database.begin() as connection:
        assert months.make_months(connection, ahead=2) == ()
        made = months.make_months(connection, ahead=14)
        assert len(made) == 36
        now = connection.execute(text("SELECT now()")).scalar_one()
        bounds = connection.execute(
            text(
                "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = :name",
            ),
            {"name": f"executions_{now:%Y_%m}"},
        ).scalar_one()
    assert str(first_id(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))) in bounds
    prepare_months(stores)


def test_an_estimate_is_that_of_images_of_about_the_same_size() -> None:
    assert estimate_s([], 1000) is None
    recent = [(1.0, 1000), (1.2, 1100), (0.8, 900), (9.0, 100_000)]
    assert estimate_s(recent, 1000) == 1.0
    assert estimate_s([(2.0, 10), (4.0, 10_000_000)], 1000) == 3.0
