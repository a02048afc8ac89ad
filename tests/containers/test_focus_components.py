"""Components that keep to the protocol: the examples agree, a batch shares containers, none outlives its process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from imageflow_clients.containers.local import LocalContainers
from imageflow_clients.containers.program import owner
from imageflow_domain.containers import Containers
from imageflow_pipelines.container_component import container_component
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.plan import Plan, plan
from imageflow_pipelines.registry import RELEASED
from imageflow_pipelines.spec_text import parse_spec
from imageflow_pipelines.values import Image, Measurements, Value
from tests.containers.images import EXAMPLES, FOCUS, left_containers

MANIFEST = yaml.safe_load((FOCUS / "component.yaml").read_text())
_READY_S = 120


def _plan(image: str, gain: int = 4) -> Plan:
    spec = {
        "pipeline": "sharp",
        "steps": {
            "decode": {"use": "decode@2", "from": {"picture": "inputs.picture"}},
            "focus": {"use": "focus@1", "with": {"gain": gain}, "from": {"image": "decode.image"}},
        },
        "outputs": {"focus": "focus.measurements", "heat": "focus.heat"},
    }
    return plan(parse_spec(spec), RELEASED.with_containers([container_component(image, MANIFEST)]))


def _picture(seed: int, width_px: int = 61, height_px: int = 40) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), np.uint8)
    return cv2.imencode(".png", cv2.GaussianBlur(pixels, (3, 3), 0))[1].tobytes()


def _focus(outputs: "dict[str, Value | None]") -> float:
    measured = outputs["focus"]
    assert isinstance(measured, Measurements)
    return measured.value("focus")


def _by_python(picture: bytes, gain: int, folder: Path) -> tuple[float, np.ndarray]:
    """Ask the example in Python, as a process of this machine."""
    source, heat = folder / "in.png", folder / "heat.png"
    source.write_bytes(picture)
    request = {
        "id": 1,
        "parameters": {"gain": gain},
        "inputs": {"image": str(source)},
        "outputs": {"heat": str(heat)},
    }
    done = subprocess.run(
        [sys.executable, EXAMPLES / "focus-python" / "focus.py"],
        input=json.dumps(request) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    ready, answer = map(json.loads, done.stdout.splitlines())
    assert ready == {"protocol": 1}
    assert answer["id"] == 1
    return answer["outputs"]["measurements"][0]["value"], cv2.imread(str(heat), cv2.IMREAD_UNCHANGED)


def test_the_examples_in_go_and_python_agree(containers: Containers, focus_image: str, tmp_path: Path) -> None:
    picture = _picture(1)
    with Engine(containers=containers) as engine:
        outputs = engine.run(_plan(focus_image, gain=9), {"picture": picture}).succeeded().outputs
    focus, heat = _by_python(picture, 9, tmp_path)
    assert _focus(dict(outputs)) == pytest.approx(focus, rel=1e-12)
    assert isinstance(outputs["heat"], Image)
    assert outputs["heat"].is_grey
    assert np.array_equal(outputs["heat"].pixels, heat)


def test_the_manifests_of_the_examples_differ_in_their_name_alone() -> None:
    python = yaml.safe_load((EXAMPLES / "focus-python" / "component.yaml").read_text())
    assert {**python, "name": "focus"} == MANIFEST


def test_images_of_a_batch_share_as_many_containers_as_there_are_threads(
    containers: Containers, focus_image: str
) -> None:
    wanted = _plan(focus_image)
    pictures = [_picture(seed) for seed in range(20)]
    with Engine(containers=containers, threads=1) as engine, ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda each: engine.run(wanted, {"picture": each}).succeeded().outputs, pictures))
        assert 1 <= len(left_containers()) <= 2
        begun_s = time.monotonic()
        again = [engine.run(wanted, {"picture": each}).succeeded().outputs for each in pictures]
        assert (time.monotonic() - begun_s) / len(pictures) < 1, "a start for each image would take longer"
    assert [_focus(dict(each)) for each in found] == [_focus(dict(each)) for each in again]
    assert len({_focus(dict(each)) for each in found}) == len(pictures)


def test_an_image_that_the_component_refuses_fails_alone(containers: Containers, focus_image: str) -> None:
    with Engine(containers=containers) as engine:
        refused = engine.run(_plan(focus_image), {"picture": _picture(1, 2, 2)})
        assert str(refused.error) == "Step 'focus': 'focus@1' refuses the image: the image has less than 3 x 3 px"
        assert engine.run(_plan(focus_image), {"picture": _picture(1)}).error is None


_SLOW = """
import sys
from pathlib import Path
from tests.containers.test_rogue_components import MANIFEST, BAD, ask
from imageflow_clients.containers.local import LocalContainers
import tests.containers.test_rogue_components as rogue
rogue.MANIFEST = {**MANIFEST, "resources": {"time_limit_s": 300}}
with LocalContainers(Path(sys.argv[1])) as containers:
    ask(containers, sys.argv[2], "hang")
"""


def test_a_killed_process_leaves_no_container(rogue_image: str, tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", _SLOW, tmp_path, rogue_image], start_new_session=True)
    try:
        label = owner(child.pid)
        _wait_until(lambda: left_containers(label) != [])
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    _wait_until(lambda: left_containers(label) == [])


def test_what_was_left_by_an_ended_process_is_removed_and_nothing_else(
    podman: LocalContainers, focus_image: str
) -> None:
    own = f"{os.uname().nodename}/{Path('/proc/self/ns/pid').stat().st_ino}"
    labels = {"imageflow-test-ended": f"{own}/1/1", "imageflow-test-elsewhere": "another/1/1/1"}
    for name, label in labels.items():
        command = ["podman", "create", "--name", name, "--label", f"imageflow.owner={label}"]
        limits = ["--ulimit", "nofile=64:64", "--ulimit", "nproc=64:64"]
        subprocess.run([*command, *limits, focus_image], check=True, capture_output=True)
    try:
        with Engine(containers=podman) as engine:
            engine.run(_plan(focus_image), {"picture": _picture(1)}).succeeded()
        assert left_containers(labels["imageflow-test-ended"]) == []
        assert left_containers(labels["imageflow-test-elsewhere"]) == ["imageflow-test-elsewhere"]
    finally:
        subprocess.run(["podman", "rm", "--force", "--ignore", *labels], check=True, capture_output=True)


def test_threads_that_start_containers_at_once_do_not_wait_for_each_other(
    containers: Containers, focus_image: str
) -> None:
    met = threading.Barrier(3)

    def run(seed: int) -> float:
        met.wait()
        with Engine(containers=containers, threads=1) as engine:
            return _focus(dict(engine.run(_plan(focus_image), {"picture": _picture(seed)}).succeeded().outputs))

    with ThreadPoolExecutor(3) as threads:
        assert len(set(threads.map(run, range(3)))) == 3


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _READY_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.2)
