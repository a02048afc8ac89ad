"""Masters and pipelines: what is refused, what never changes, what two versions differ in."""

from typing import Any

import pytest

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.inspection import masters as rows
from imageflow_clients.inference.opening import open_models
from imageflow_clients.inference.stored_models import ModelStore
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict, InvalidInput, InvalidMaster, NotFound
from imageflow_domain.masters import ItemType, MasterState, criteria_schema
from imageflow_inspection.masters import (
    change_draft,
    compare_masters,
    create_draft,
    create_product,
    publish_master,
)
from tests.inference.onnx_models import card, mean_heat, sample
from tests.inspection.lids import items, lid_pipeline, next_master, published
from tests.inspection.test_identity import HEAT
from tests.inspection.test_identity import ITEM as HEAT_ITEM


def test_of_two_who_change_a_draft_the_later_one_is_told_that_it_changed(stores: Stores) -> None:
    create_product(stores, "lid", "A lid")
    draft = create_draft(stores, "lid", items())
    changed = change_draft(stores, "lid", 1, items(length_mm=40), revision=draft.revision)
    with pytest.raises(Conflict, match="revision 2 now"):
        change_draft(stores, "lid", 1, items(length_mm=30), revision=draft.revision)
    with stores.database.begin() as connection:
        assert rows.get(connection, "lid", 1) == changed
    assert changed.items[1].criteria["tolerances"][0]["nominal_mm"] == 40


def test_a_published_master_never_changes_and_the_next_draft_is_another_version(stores: Stores) -> None:
    master = published(stores)
    assert master.state is MasterState.PUBLISHED
    with pytest.raises(Conflict, match="never changes"):
        change_draft(stores, "lid", 1, [], revision=master.revision)
    with pytest.raises(Conflict, match="never changes"):
        publish_master(stores, "lid", 1, revision=master.revision)
    assert create_draft(stores, "lid", items()).version == 2
    with pytest.raises(Conflict, match="has a draft already"):
        create_draft(stores, "lid", items())


def test_every_fault_of_items_is_told_with_its_path() -> None:
    wrong: list[dict[str, Any]] = [
        {**items()[0], "criteria": {"min_score": 2}},
        {**items()[1], "criteria": {"tolerances": []}},
        {**items()[2], "pipeline": "lids"},
    ]
    from imageflow_domain.masters import read_items

    with pytest.raises(InvalidInput) as told:
        read_items(wrong)
    for said in ("items.0: criteria of VISUAL: min_score", "items.1: criteria of DIMENSION", "items.2.pipeline"):
        assert said in str(told.value)
    with pytest.raises(InvalidMaster) as twice:
        read_items([items()[0], items()[0]])
    assert [fault.path for fault in twice.value.faults] == ["items.1.code"]


def test_each_type_has_a_schema_that_names_its_criteria() -> None:
    assert {kind: next(iter(criteria_schema(kind)["properties"])) for kind in ItemType} == dict.fromkeys(
        ItemType, "output"
    )
    assert criteria_schema(ItemType.VISUAL)["properties"]["min_score"]["maximum"] == 1


def test_a_master_whose_pipelines_do_not_fit_stays_a_draft_and_every_reason_is_told(stores: Stores) -> None:
    publish_pipeline(stores, lid_pipeline())
    create_product(stores, "lid", "A lid")
    wrong = items()
    wrong[0]["pipeline"] = "nowhere@1"
    wrong[1]["criteria"] = {**wrong[1]["criteria"], "output": "lengths"}
    wrong[2]["criteria"] = {**wrong[2]["criteria"], "output": "text"}
    draft = create_draft(stores, "lid", wrong)
    with pytest.raises(InvalidMaster) as told:
        publish_master(stores, "lid", 1, revision=draft.revision)
    assert [fault.path for fault in told.value.faults] == [
        "items.0.pipeline",
        "items.1.criteria.output",
        "items.2.criteria.output",
    ]
    assert "FUNCTION judges measurements" in told.value.faults[2].reason
    with stores.database.begin() as connection:
        assert rows.get(connection, "lid", 1).state is MasterState.DRAFT


def test_what_two_masters_differ_in_is_told_by_item(stores: Stores) -> None:
    first = published(stores)
    wanted = items(length_mm=40)
    second = next_master(stores, "lid", [wanted[1], wanted[0], {**wanted[2], "code": "counted"}])
    assert [(change.code, change.fields) for change in compare_masters(first, second)] == [
        ("length", ("criteria", "order")),
        ("spots", ("order",)),
        ("counted", ()),
        ("count", ()),
    ]
    assert compare_masters(first, first) == ()


def test_a_published_pipeline_never_changes(stores: Stores) -> None:
    first = publish_pipeline(stores, lid_pipeline())
    assert publish_pipeline(stores, lid_pipeline()) == first
    with pytest.raises(Conflict, match="publish yours as version 2"):
        publish_pipeline(stores, lid_pipeline(level=100))
    with pytest.raises(InvalidInput, match=r"steps\.white\.with\.level"):
        publish_pipeline(stores, lid_pipeline(version=2, level=300))


def test_a_product_is_created_once_and_asked_for_by_its_code(stores: Stores) -> None:
    create_product(stores, "lid", "A lid")
    with pytest.raises(Conflict):
        create_product(stores, "lid", "Another lid")
    with pytest.raises(InvalidInput):
        create_product(stores, "Lid 1", "A lid")
    with pytest.raises(NotFound, match="no product 'cap'"):
        create_draft(stores, "cap", [])


def test_a_master_whose_model_is_not_registered_is_not_published(stores: Stores) -> None:
    publish_pipeline(stores, HEAT)
    create_product(stores, "lid", "A lid")
    draft = create_draft(stores, "lid", [HEAT_ITEM])
    models = open_models(Settings(), stores.objects)
    with pytest.raises(InvalidMaster) as told:
        publish_master(stores, "lid", 1, revision=draft.revision, models=models)
    assert [fault.path for fault in told.value.faults] == ["items.0.pipeline"]
    assert "No model 'heat@1' is registered" in str(told.value)
    data = mean_heat()
    ModelStore(stores.objects).add(card(data), data, sample(data))
    assert publish_master(stores, "lid", 1, revision=draft.revision, models=models).state is MasterState.PUBLISHED
