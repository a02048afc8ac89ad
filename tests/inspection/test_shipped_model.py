"""A batch of drawn parts, judged end to end by the models that come with ImageFlow."""

from typing import Any

import cv2
import numpy as np

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.inspection import inspections
from imageflow_clients.inference.opening import open_models
from imageflow_clients.inference.stored_models import ModelStore
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Verdict
from imageflow_inspection.checks import check_batch
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.masters import create_product, publish_items
from imageflow_inspection.take_in import take_in
from imageflow_inspection.uploading import BatchUpload
from imageflow_models.drawing import to_png
from imageflow_models.products import DefectKind, Drawn, Split, draw
from imageflow_models.registering import register, shipped
from imageflow_models.scoring import is_found
from imageflow_pipelines.values import Box, Detection
from tests.inspection.drawn import detector_items, detector_pipeline
from tests.inspection.test_intake import NOW
from tests.thorough import repeated

PARTS = repeated(40, thorough=120)
HEAT = {
    "pipeline": "part_heat",
    "steps": {
        "decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}},
        "heat": {"use": "anomaly@1", "with": {"model": "product_heat@1"}, "from": {"image": "decode.image"}},
    },
    "outputs": {"defects": "heat.detections", "values": "heat.measurements"},
}
HEAT_ITEM = {
    "code": "unlike",
    "name": "Nothing is unlike good parts",
    "type": "FUNCTION",
    "pipeline": "part_heat@1",
    "criteria": {"ranges": [{"measurement": "anomaly", "most": 0.5}]},
    "required": False,
}


def detections(details: dict[str, Any]) -> list[Detection]:
    return [Detection(label=each["label"], score=each["score"], box=Box(**each["box"])) for each in details["found"]]


def test_drawn_parts_are_judged_as_they_were_drawn(stores: Stores) -> None:
    for folder in shipped():
        register(ModelStore(stores.objects), folder)
    publish_pipeline(stores, detector_pipeline())
    publish_pipeline(stores, HEAT)
    create_product(stores, "part", "A part")
    registry = open_models(Settings(), stores.objects)
    publish_items(stores, "part", [*detector_items(), HEAT_ITEM], models=registry)
    parts = [draw(Split.HELD_OUT, 200_000 + seed) for seed in range(PARTS)]
    with BatchUpload(stores, "part", "drawn") as upload:
        for place, part in enumerate(parts):
            upload.add(f"{place:03d}.png", to_png(part))
        batch = upload.close(NOW)
    take_in(stores, batch.id)
    models = open_models(Settings(), stores.objects)
    done = inspect_batch(stores, batch.id, models=models)
    assert all(check.holds for check in check_batch(stores, batch.id, models=models))
    with stores.database.begin() as connection:
        results = inspections.results(connection, done.id, limit=PARTS)
    called_bad = np.array([result.verdict is Verdict.FAIL for result in results])
    is_bad = np.array([not part.is_good for part in parts])
    hits = (called_bad & is_bad).sum()
    assert 2 * hits / (called_bad.sum() + is_bad.sum()) >= 0.95
    assert (called_bad & ~is_bad).sum() <= 0.02 * (~is_bad).sum() + 1  # a share of few has a grain of one
    items = [{item.item: item for item in result.items} for result in results]
    found, there = _defects(parts, [[d for item in each.values() for d in _found(item.details)] for each in items])
    assert found >= 0.9 * there
    unlike = np.array([each["unlike"].verdict is Verdict.FAIL for each in items])
    assert (unlike == is_bad).mean() >= 0.9
    marked = next(result for result in results if result.drawn_key is not None)
    assert marked.drawn_key is not None
    drawn = cv2.imdecode(np.frombuffer(stores.objects.get(marked.drawn_key, next_step=""), np.uint8), 1)
    original = parts[marked.picture.place].pixels[..., ::-1].astype(int)
    assert (np.abs(drawn - original).max(axis=2) > 60).sum() > 50


def _found(details: Any) -> list[Detection]:
    return detections(details) if "found" in details else []


def _defects(parts: list[Drawn], found: list[list[Detection]]) -> tuple[int, int]:
    """Return how many defects were found as what they are, where they are, and how many there are."""
    each = [is_found(defect, boxes) for part, boxes in zip(parts, found, strict=True) for defect in part.defects]
    return sum(each), len(each)


def test_an_item_looks_for_each_kind_of_defect_that_the_model_knows() -> None:
    labels = [label for item in detector_items() for label in item["criteria"]["labels"]]
    assert sorted(labels) == sorted(DefectKind)
