"""A pipeline with a container component judges a batch in Dagster as one of Python components does."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from imageflow_catalog.components import register_component
from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.database.inspection import inspections
from imageflow_clients.stores import Stores
from imageflow_domain.inspection import BatchState, Verdict
from imageflow_gateway.rest.inspection.inspections_schema import JudgeFacts
from imageflow_inspection.artefacts import Artefact, Artefacts
from imageflow_inspection.masters import create_product
from imageflow_pipelines.engine import NoModels
from tests.assets.inspection.uploads import inspect, shown
from tests.containers.images import FOCUS, focus_program, left_containers, local_image, rogue_program
from tests.containers.test_rogue_components import MANIFEST
from tests.inspection.lids import lid, next_master


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp())
    yield made
    shutil.rmtree(made)


def _publish(stores: Stores, step: dict[str, Any], ranges: list[dict[str, Any]], *, width_px: int) -> None:
    """A product that is judged by what one component measures in what another one, in Python, cut out."""
    cut = {"x_px": 0, "y_px": 0, "width_px": width_px, "height_px": 13}
    steps = {
        "decode": {"use": "decode@2", "from": {"picture": "inputs.picture"}},
        "cut": {"use": "crop@1", "with": cut, "from": {"image": "decode.image"}},
        "asked": {**step, "from": {"image": "cut.image"}},
        "rows": {"use": "merge@1", "from": {"values": ["asked.measurements"]}},
    }
    publish_pipeline(stores, {"pipeline": "seen", "steps": steps, "outputs": {"values": "rows.value"}})
    create_product(stores, "lid", "A lid")
    item = {"code": "seen", "name": "Seen", "type": "FUNCTION", "pipeline": "seen@1", "criteria": {"ranges": ranges}}
    next_master(stores, "lid", [item])


def test_a_batch_is_judged_by_a_component_written_in_go(
    stores: Stores, instance: dg.DagsterInstance, folder: Path
) -> None:
    image = local_image(focus_program(), folder)
    register_component(stores, image, yaml.safe_load((FOCUS / "component.yaml").read_text()))
    _publish(stores, {"use": "focus@1", "with": {"gain": 2}}, [{"measurement": "focus", "least": 2}], width_px=240)
    batch = inspect(instance, stores, "b1", [lid(), lid(height_px=0), b"no picture"])
    assert batch.state is BatchState.INSPECTED
    results = shown(instance, "inspection_results")
    assert [results[name] for name in ("pictures", "passed", "failed", "undecided")] == [3, 1, 1, 1]
    (rule,) = shown(instance, "batch_rules")["items"]
    assert rule["containers"] == f"focus@1: {image}"
    with stores.database.begin() as connection:
        inspection = inspections.get(connection, batch.inspection_id or 0)
    assert JudgeFacts.of(inspection.judged_by[0]).images == {"focus@1": image}
    made = Artefacts(stores, NoModels()).of(inspection.id, 0, "seen")
    assert {each.step for each in made if isinstance(each, Artefact)} == {"decode", "cut", "asked", "rows"}
    assert left_containers() == []


def test_a_container_that_fails_for_one_image_leaves_that_image_undecided(
    stores: Stores, instance: dg.DagsterInstance, folder: Path
) -> None:
    outputs = {"drawn": MANIFEST["outputs"]["drawn"], "measurements": {"kind": "measurements", "optional": True}}
    register_component(stores, local_image(rogue_program(), folder), {**MANIFEST, "outputs": outputs})
    _publish(stores, {"use": "rogue@1", "with": {"how": "hang"}}, [{"measurement": "x", "least": 1}], width_px=13)
    batch = inspect(instance, stores, "b1", [lid()])
    with stores.database.begin() as connection:
        (found,) = inspections.results(connection, batch.inspection_id or 0)
    assert found.verdict is Verdict.UNDECIDED
    reason = str(found.items[0].details["reason"])
    assert reason.startswith("Step 'asked' failed: The container of 'rogue@1' did not answer within 3 s.")
    assert reason.endswith("waiting for a licence")
    assert left_containers() == []
