"""Models' cards say by what batches are judged; a model is loaded only to judge pictures."""

import pytest
from sqlalchemy import text

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.inspection import batches, inspections
from imageflow_clients.inference.opening import open_models
from imageflow_clients.inference.stored_models import ModelStore
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import ObjectDamaged, ObjectMissing
from imageflow_domain.inference import ModelRegistry
from imageflow_domain.inspection import BatchState
from imageflow_inspection.changed_rules import ReportedRules, changed_rules
from imageflow_inspection.checks import check_batch
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.reinspect import stale_batches
from tests.inference.onnx_models import card, mean_heat, sample
from tests.inspection.lids import lid, published, taken

HEAT = {
    "pipeline": "heats",
    "steps": {
        "decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}},
        "heat": {"use": "anomaly@1", "with": {"model": "heat@1"}, "from": {"image": "decode.image"}},
    },
    "outputs": {"values": "heat.measurements"},
}
ITEM = {
    "code": "unlike",
    "name": "Nothing is unlike good parts",
    "type": "FUNCTION",
    "pipeline": "heats@1",
    "criteria": {"ranges": [{"measurement": "anomaly", "most": 2.0}]},
}


def with_a_model(stores: Stores) -> ModelRegistry:
    """A product whose lids are judged by a model of known arithmetic."""
    data = mean_heat()
    ModelStore(stores.objects).add(card(data), data, sample(data))
    publish_pipeline(stores, HEAT)
    published(stores, wanted=[ITEM])
    return models_of(stores)


def models_of(stores: Stores) -> ModelRegistry:
    """The registered models, none of them loaded."""
    return open_models(Settings(inference_provider="cpu", inference_threads=1), stores.objects)


def test_what_judges_is_told_without_loading_a_model_and_a_model_that_cannot_run_blames_no_picture(
    stores: Stores,
) -> None:
    models = with_a_model(stores)
    batch = taken(stores, "b0", [lid()])
    done = inspect_batch(stores, batch.id, models=models)
    assert (done.passed, done.providers) == (1, ("cpu",))
    stores.objects.delete(keys.model_file(card(mean_heat()).id))
    assert stale_batches(stores, "lid", models=models_of(stores)) == ()
    assert changed_rules(stores, ReportedRules(), models=models_of(stores)).faults == ()
    assert all(check.holds for check in check_batch(stores, batch.id, models=models_of(stores)))
    waiting = taken(stores, "b1", [lid()])
    with pytest.raises(ObjectMissing, match="register the model again"):
        inspect_batch(stores, waiting.id, models=models_of(stores))
    with stores.database.begin() as connection:
        assert batches.get(connection, waiting.id).state is BatchState.TAKEN


def test_an_inspection_that_goes_on_elsewhere_names_all_who_computed(stores: Stores) -> None:
    models = with_a_model(stores)
    batch = taken(stores, "b0", [lid(), lid()])
    done = inspect_batch(stores, batch.id, models=models)
    with stores.database.begin() as connection:
        inspections.note_providers(connection, done.id, ["triton"])
        connection.execute(text("DELETE FROM picture_results WHERE place = 1"))
        assert inspections.get(connection, done.id).providers == ("cpu", "triton")
    assert inspect_batch(stores, batch.id, models=models).providers == ("cpu", "triton")


def test_a_damaged_card_of_a_model_is_named(stores: Stores) -> None:
    models = with_a_model(stores)
    batch = taken(stores, "b0", [lid()])
    inspect_batch(stores, batch.id, models=models)
    model = card(mean_heat()).id
    stores.objects.put(keys.model_card(model), b"{")
    said = (
        f"'{keys.model_card(model)}', the card of model {model}, is damaged.*: delete it, then register the model again"
    )
    with pytest.raises(ObjectDamaged, match=said):
        stale_batches(stores, "lid", models=models_of(stores))
