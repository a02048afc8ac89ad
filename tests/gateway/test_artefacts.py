"""What each step gave for a judged picture is answered again, with checksums that hold."""

import base64
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.inference.stored_models import ModelStore, OnnxModels
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Timeout, Unavailable
from imageflow_domain.inference import InferenceSession, ModelDescription, ModelId
from imageflow_gateway.app import create_app
from imageflow_inspection.artefacts import Artefact, Artefacts
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_models.drawing import to_png
from imageflow_models.products import Split, draw
from imageflow_models.registering import register
from imageflow_pipelines.engine import NoModels
from tests.gateway.answers import V1, ok
from tests.gateway.model_files import DETECTOR
from tests.gateway.test_inspection import LIDS, inspected, upload
from tests.inspection.drawn import detector_items, detector_pipeline
from tests.inspection.lids import next_master, taken

__all__ = ["inspected", "upload"]


@pytest.fixture
def result(client: Any, inspected: dict[str, Any]) -> dict[str, Any]:
    """The result of b.png, which has one spot."""
    found = ok(client.get(f"{V1}/inspections/results", params={"batch": inspected["id"]}))["results"]
    detail: dict[str, Any] = ok(client.get(found[1]["links"]["self"]))
    return detail


def _artefacts(result: dict[str, Any], item: str = "spots") -> str:
    return next(each["artefacts"] for each in result["judgements"] if each["item"] == item)


def test_every_step_that_the_verdict_needed_is_listed_and_its_bytes_have_the_checksum(
    client: Any, result: dict[str, Any]
) -> None:
    listed = ok(client.get(_artefacts(result)))
    assert listed["failed"] == []
    kinds = {(each["step"], each["output"]): each["kind"] for each in listed["artefacts"]}
    assert kinds["decode", "image"] == "image"
    assert kinds["dark", "mask"] == "mask"
    assert kinds["spots", "detections"] == "detections"
    assert kinds["codes", "text"] == "text"
    for each in listed["artefacts"]:
        answer = client.get(each["href"])
        digest = hashlib.sha256(answer.content).digest()
        assert (answer.status_code, len(answer.content)) == (200, each["bytes"])
        assert answer.headers["content-type"] == each["media_type"]
        assert digest.hex() == each["sha256"]
        assert answer.headers["content-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
        again = client.get(each["href"], headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_pictures_between_steps_are_what_the_steps_gave(client: Any, result: dict[str, Any]) -> None:
    address = _artefacts(result)
    upright = cv2.imdecode(np.frombuffer(LIDS["b.png"], np.uint8), cv2.IMREAD_COLOR)
    decoded = cv2.imdecode(np.frombuffer(client.get(f"{address}/decode/image").content, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(decoded, upright)
    mask = cv2.imdecode(np.frombuffer(client.get(f"{address}/dark/mask").content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(mask, np.where(upright[14:54, 24:104, 0] <= 128, 255, 0))
    (spot,) = ok(client.get(f"{address}/spots/detections"))
    assert (spot["label"], spot["box"]["width_px"], spot["box"]["height_px"]) == ("spot", 6, 6)


@pytest.mark.parametrize("part", ["size/nothing", "nosuch/image", "a..b/image"])
def test_what_no_step_gives_is_not_found(client: Any, result: dict[str, Any], part: str) -> None:
    assert client.get(f"{_artefacts(result)}/{part}").status_code in {404, 422}


def test_items_and_pictures_that_were_not_judged_are_not_found(client: Any, result: dict[str, Any]) -> None:
    here = result["links"]["self"]
    answer = client.get(f"{here}/items/colour/artefacts")
    assert answer.status_code == 404
    assert "no item 'colour', but " in answer.json()["error"]["message"]
    elsewhere = here.rpartition("/")[0] + "/99"
    assert client.get(f"{elsewhere}/items/spots/artefacts").status_code == 404


def test_a_picture_that_could_not_be_judged_tells_which_step_refused_it(client: Any, inspected: dict[str, Any]) -> None:
    found = ok(client.get(f"{V1}/inspections/results", params={"batch": inspected["id"]}))["results"][2]
    address = f"{found['links']['self']}/items/spots/artefacts"
    listed = ok(client.get(address))
    assert listed["artefacts"] == []
    (failed,) = listed["failed"]
    assert failed["step"] == "decode"
    assert "no JPEG, PNG, WebP or BMP" in failed["problem"]
    assert ok(client.get(f"{address}/decode/image"), 400)["error"]["message"] == failed["problem"]
    assert ok(client.get(f"{address}/dark/mask"), 400)["error"]["message"] == failed["problem"]


def test_pictures_that_wait_for_their_turn_hold_up_nobody(
    settings: Settings,
    stores: Stores,
    ask: Callable[..., Any],
    result: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()
    make = Artefacts.of

    def wait_first(*what: Any) -> Any:
        assert go_on.wait(60)
        return make(*what)

    monkeypatch.setattr(Artefacts, "of", wait_first)
    app = create_app(settings, stores)
    with ask(app, port=settings.gateway_port) as client, ThreadPoolExecutor(60) as threads:
        waiting = [threads.submit(client.get, _artefacts(result)) for _ in range(60)]  # more than a pool has threads
        try:
            assert client.get(result["links"]["self"]).status_code == 200
            assert not any(each.done() for each in waiting)
        finally:
            go_on.set()
        assert {each.result().status_code for each in waiting} == {200}


class _Down:
    """A registry whose models nobody computes just now."""

    def describe(self, model: ModelId) -> ModelDescription:
        raise Unavailable("The server is down: start it.")

    def open(self, model: ModelId) -> InferenceSession:
        raise Unavailable("The server is down: start it.")


def test_a_server_that_is_down_is_not_the_picture_s_fault(stores: Stores, product: str) -> None:
    publish_pipeline(stores, detector_pipeline())
    register(ModelStore(stores.objects), DETECTOR)
    next_master(stores, product, detector_items())
    batch = taken(stores, "down", [to_png(draw(Split.HELD_OUT, 0))], product=product)
    models = OnnxModels(ModelStore(stores.objects))
    inspection = inspect_batch(stores, batch.id, models=models)
    item = detector_items()[0]["code"]
    made = [each for each in Artefacts(stores, models).of(inspection.id, 0, item) if isinstance(each, Artefact)]
    assert "detections" in {each.kind for each in made}
    with pytest.raises(Unavailable, match="server is down"):
        list(Artefacts(stores, _Down()).of(inspection.id, 0, item))


def test_what_takes_too_long_is_given_up(stores: Stores, product: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    done, data = cv2.imencode(".png", noise)
    assert done
    inspection = inspect_batch(stores, taken(stores, "slow", [data.tobytes()], product=product).id)
    with pytest.raises(Timeout, match="imageflow pipeline run"):
        list(Artefacts(stores, NoModels(), longest_s=0.001).of(inspection.id, 0, "spots"))
    assert list(Artefacts(stores, NoModels()).of(inspection.id, 0, "spots"))
