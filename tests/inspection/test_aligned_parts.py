"""Parts that lie anywhere are judged as if they lay where the reference shows them."""

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.inspection import inspections
from imageflow_clients.inference.opening import open_models
from imageflow_clients.inference.stored_models import ModelStore
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Verdict
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.reinspect import stale_batches
from imageflow_models.registering import register
from imageflow_pipelines.alignment.pose import Matrix, similarity, warped
from imageflow_pipelines.values import Pixels
from tests.inspection.lids import next_master, published, taken
from tests.models.references import reference_folder

MM_PER_PX = 0.5


def cover(*, length_px: int = 120) -> Pixels:
    """A bright cover, 60 px wide, on dark ground, whose hole tells its ends apart."""
    pixels = np.full((120, 180), 30, np.uint8)
    cv2.rectangle(pixels, (30, 30), (29 + length_px, 89), 190, -1)
    cv2.circle(pixels, (50, 48), 7, 90, -1)
    return cv2.GaussianBlur(pixels, (0, 0), 0.8).astype(np.uint8)


def photograph(part: Pixels, *, angle_deg: float, to: tuple[float, float]) -> tuple[bytes, Matrix]:
    """A PNG of 400 x 300 px with the part turned, and where it is."""
    pose = similarity(angle_rad=math.radians(angle_deg), scale=1, around=(90, 60), to=to)
    there = warped(np.ones(part.shape, np.float32), np.linalg.inv(pose), 400, 300)
    seen = warped(part.astype(np.float32), np.linalg.inv(pose), 400, 300)
    noise = np.random.default_rng(int(angle_deg) % 360).standard_normal((300, 400)) * 2
    pixels = np.clip(30 * (1 - there) + seen * there + noise, 0, 255).astype(np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes(), pose


def pipeline(version: int = 1) -> dict[str, Any]:
    return {
        "pipeline": "covers",
        "version": version,
        "steps": {
            "decode": {"use": "decode@2", "from": {"picture": "inputs.picture"}},
            "part": {
                "use": "align@1",
                "with": {"model": f"cover@{version}", "motion": "rigid"},
                "from": {"image": "decode.image"},
            },
            "bright": {"use": "threshold@1", "with": {"level": 110}, "from": {"image": "part.image"}},
            "size": {"use": "dimensions@1", "with": {"mm_per_px": MM_PER_PX}, "from": {"mask": "bright.mask"}},
            "placed": {
                "use": "to_original@1",
                "from": {"transforms": ["part.transform"], "detections": "size.detections"},
            },
        },
        "outputs": {"dimensions": "size.measurements", "outline": "placed.detections"},
    }


def items(version: int = 1) -> list[dict[str, Any]]:
    tolerance = {"measurement": "length", "nominal_mm": 60, "plus_mm": 0.75, "minus_mm": 0.75}
    return [
        {
            "code": "length",
            "name": "Length",
            "type": "DIMENSION",
            "pipeline": f"covers@{version}",
            "criteria": {"tolerances": [tolerance]},
        }
    ]


@pytest.fixture
def product(stores: Stores, tmp_path: Path) -> str:
    for version in (1, 2):
        folder = reference_folder(tmp_path / f"cover{version}", cover(), name="cover", version=version)
        register(ModelStore(stores.objects), folder)
        publish_pipeline(stores, pipeline(version))
    published(stores, "cover", items())
    return "cover"


def test_a_length_is_the_same_at_any_position_and_angle(stores: Stores, product: str) -> None:
    models = open_models(Settings(), stores.objects)
    poses: list[tuple[float, tuple[float, float]]] = [
        (0, (200, 150)),
        (37, (150, 130)),
        (-104, (240, 160)),
        (181, (210, 140)),
    ]
    pictures = [photograph(cover(), angle_deg=angle, to=to)[0] for angle, to in poses]
    longer = photograph(cover(length_px=124), angle_deg=65, to=(200.0, 150.0))[0]
    empty = cv2.imencode(".png", np.full((300, 400), 30, np.uint8))[1].tobytes()
    batch = taken(stores, "b1", [*pictures, longer, empty], product=product)
    done = inspect_batch(stores, batch.id, models=models)
    with stores.database.begin() as connection:
        results = inspections.results(connection, done.id)
    assert [result.verdict for result in results] == [*[Verdict.PASS] * 4, Verdict.FAIL, Verdict.UNDECIDED]
    lengths = [result.items[0].details["measured"][0]["value"] for result in results[:4]]
    assert max(lengths) - min(lengths) <= 2 * MM_PER_PX * 0.75
    assert "The part of 'cover@1' was not found (score 0.0" in results[5].items[0].details["reason"]


def test_another_reference_makes_its_batches_stale(stores: Stores, product: str) -> None:
    models = open_models(Settings(), stores.objects)
    batch = taken(stores, "b1", [photograph(cover(), angle_deg=20, to=(200, 150))[0]], product=product)
    done = inspect_batch(stores, batch.id, models=models)
    assert (done.passed, done.providers) == (1, ())
    assert stale_batches(stores, product, models=models) == ()
    next_master(stores, product, items(2))
    (stale,) = stale_batches(stores, product, models=models)
    assert stale.batch.name == "b1"
