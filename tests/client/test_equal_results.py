"""Random images through random pipelines: every protocol gives the same bytes, steps, events and history."""

import json
import uuid
from typing import Any

import cv2
import numpy as np
import pytest
from websockets.sync.client import connect

from imageflow.client import Client, Execution
from imageflow_clients.database.core import events
from imageflow_clients.stores import Stores
from imageflow_domain.events import BEGINNING
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import ENDS
from imageflow_executions.history import get_execution
from tests.client.conftest import Deployment

COUNT = 20

_MIDDLE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("resize@1", {"width_px": 31}),
    ("resize@1", {"width_px": 90, "height_px": 40}),
    ("blur@1", {"radius_px": 2}),
    ("colour@1", {"space": "grey"}),
    ("crop@1", {"x_px": 1, "y_px": 2, "width_px": 12, "height_px": 9}),
)


def random_image(random: np.random.Generator) -> bytes:
    height, width = (int(side) for side in random.integers(16, 200, 2))
    pixels = random.integers(0, 256, (height, width, 3), np.uint8)
    ending = random.choice([".png", ".jpg", ".webp"])
    done, data = cv2.imencode(str(ending), pixels)
    assert done
    return b"broken" if random.random() < 0.1 else data.tobytes()


def random_spec(random: np.random.Generator) -> dict[str, Any]:
    steps: dict[str, Any] = {"decode": {"use": "decode@1", "from": {"picture": "inputs.picture"}}}
    last = "decode"
    for number in range(int(random.integers(1, 4))):
        component, parameters = _MIDDLE[int(random.integers(len(_MIDDLE)))]
        steps[f"s{number}"] = {"use": component, "with": parameters, "from": {"image": f"{last}.image"}}
        last = f"s{number}"
    steps["encode"] = {"use": "encode@1", "with": {"format": "png"}, "from": {"image": f"{last}.image"}}
    return {"pipeline": "random", "steps": steps, "outputs": {"file": "encode.encoded", "pixels": f"{last}.image"}}


def facts(done: Execution, stores: Stores) -> dict[str, Any]:
    """Return all that is the same for the same request: everything but ids, times and the protocol."""
    record = get_execution(stores, done.id).record
    with stores.database.begin() as connection:
        log = events.read_subject(connection, subject_of(done.id), after=BEGINNING, limit=500)
    return {
        "state": done.state,
        "outputs": {
            name: output and (output.data, output.sha256, output.kind) for name, output in done.outputs.items()
        },
        "steps": [(step.step, step.status, step.tries, step.error) for step in done.steps],
        "error": done.error,
        "parameters": record.request.parameters,
        "spec": record.request.spec,
        "inputs": {name: (stored.sha256, stored.media_type) for name, stored in record.inputs.items()},
        "kept": {name: stored and stored.sha256 for name, stored in record.outputs.items()},
        "events": sorted(
            (
                one.event.kind,
                str(one.event.data.get("step")),
                str(one.event.data.get("status") or one.event.data["state"]),
            )
            for one in log
        ),
    }


def by_socket(deployment: Deployment, data: bytes, spec: dict[str, Any]) -> Execution:
    with connect(f"{deployment.url.replace('http', 'ws', 1)}/api/v1/ws") as wire:
        wire.send(json.dumps({"type": "start", "spec": spec, "images": [{"size": len(data)}]}))
        wire.send(data)
        accepted = json.loads(wire.recv(30))
        while json.loads(wire.recv(30))["state"] not in ENDS:
            pass
    with Client(deployment.url, protocol="rest") as client:
        return client.result(uuid.UUID(accepted["execution_id"]))


@pytest.mark.parametrize("seed", range(COUNT))
def test_rest_grpc_and_websocket_give_equal_results(deployment: Deployment, seed: int) -> None:
    random = np.random.default_rng(seed)
    data, spec = random_image(random), random_spec(random)
    found = []
    for protocol in ("rest", "grpc"):
        with Client(deployment.url, protocol=protocol) as client:
            done = client.process(data, spec=spec, correlation_id=str(uuid.uuid4()))
        found.append(facts(done, deployment.stores))
    found.append(facts(by_socket(deployment, data, spec), deployment.stores))
    assert found[0] == found[1] == found[2]
