"""A component that misbehaves fails its own image with a clear message, and nothing else."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imageflow_clients.containers.local import LocalContainers
from imageflow_clients.containers.pods import PodContainers
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import Containers
from imageflow_domain.errors import Cancelled, ContainerFailed, InvalidInput, StepDied, Unavailable
from imageflow_pipelines.component import Context
from imageflow_pipelines.container_component import container_component
from imageflow_pipelines.engine import NoModels
from imageflow_pipelines.values import Image, Measurement, Measurements, Value
from tests.containers.images import left_containers, local_image, rogue_program

MANIFEST: dict[str, Any] = {
    "name": "rogue",
    "version": 1,
    "description": "Misbehave.",
    "inputs": {"image": {"kind": "image"}},
    "outputs": {"drawn": {"kind": "image", "same_size_as": "image"}, "count": {"kind": "measurements"}},
    "parameters": {"type": "object", "properties": {"how": {"type": "string", "default": ""}}},
    "resources": {"memory_mb": 64, "time_limit_s": 3},
}
GOOD = Image(np.arange(12 * 12 * 3, dtype=np.uint32).astype(np.uint8).reshape(12, 12, 3))
BAD = Image(np.zeros((13, 13, 3), np.uint8))


def ask(
    containers: Containers, image: str, how: str, picture: Image = BAD, stop: Cancellation | None = None
) -> dict[str, Value | None]:
    component = container_component(image, MANIFEST).from_parameters({"how": how})
    context = Context(models=NoModels(), cancellation=stop or Cancellation(), containers=containers)
    return component.compute({"image": picture}, context)


WRONG = {
    "flood": "which is no JSON",
    "long line": "wrote a line of more than 4,194,304 bytes to standard output",
    "no json": "wrote 'done!' to standard output, which is no JSON",
    "no object": "no JSON object",
    "another id": "answered with the id -1 instead of",
    "two answers": "wrote more than one line",
    "hang": "did not answer within 3 s",
    "fill the disk": "too many files",
    "link": "wrote a wrong file for the output 'drawn': it cannot be read",
    "pipe": "it is no regular file",
    "folder": "it is no regular file",
    "nothing": "gave nothing for the output 'drawn'",
    "text": "gave a wrong output 'drawn': it cannot be read",
    "small": "gave an output 'drawn' of 2 x 2 px, and the manifest promises the size of 'image', 13 x 13 px",
    "wrong value": "gave a wrong output 'count': it is wrong: 0.value: Input should be a valid number",
    "not finite": "which is no JSON",
    "unknown output": "answered with 'surprise', which is no output",
}

LOGS = {"hang": "waiting for a licence", "small": "scaled to 2 px"}


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_answer_fails_its_image_alone(containers: Containers, rogue_image: str, how: str) -> None:
    with pytest.raises(ContainerFailed) as failed:
        ask(containers, rogue_image, how)
    assert WRONG[how] in str(failed.value)
    assert str(failed.value).startswith("The container of 'rogue@1' ")
    if how in LOGS:
        assert str(failed.value).endswith(f"Its last lines on standard error:\n{LOGS[how]}")
    outputs = ask(containers, rogue_image, how, GOOD)
    assert np.array_equal(outputs["drawn"].pixels, GOOD.pixels)  # type: ignore[union-attr]
    assert outputs["count"] == Measurements((Measurement(name="count", value=1),))


DEATHS = {
    "crash": "ended with status 7 before it answered. Its last lines on standard error:\n",
    "memory": "for want of memory",
    "big file": "file too large",
    "processes": "processes",
    "curious": "can: []; environment: ",
}


@pytest.mark.parametrize("how", DEATHS)
def test_a_container_that_ends_is_reported_with_its_last_lines(
    containers: Containers, rogue_image: str, how: str
) -> None:
    with pytest.raises(StepDied) as died:
        ask(containers, rogue_image, how)
    assert DEATHS[how] in str(died.value)
    assert "no limit" not in str(died.value)
    if how == "crash":
        assert str(died.value).endswith("trace line 49")
        assert "trace line 29" not in str(died.value), "only the last 20 lines"
    assert ask(containers, rogue_image, how, GOOD)["drawn"]


def test_a_refusal_is_the_components_own_message_and_keeps_its_container(
    containers: Containers, rogue_image: str
) -> None:
    with pytest.raises(InvalidInput, match="'rogue@1' refuses the image: no frame is visible"):
        ask(containers, rogue_image, "refuse")
    (before,) = left_containers()
    assert ask(containers, rogue_image, "refuse", GOOD)
    assert left_containers() == [before]


def test_a_cancelled_step_ends_within_two_seconds_and_removes_its_container(
    containers: Containers, rogue_image: str
) -> None:
    ask(containers, rogue_image, "", GOOD)
    stop = Cancellation()
    begun_s = time.monotonic()
    threading.Timer(0.5, stop.cancel, ("Enough.",)).start()
    with pytest.raises(Cancelled, match="Enough"):
        ask(containers, rogue_image, "hang", stop=stop)
    assert time.monotonic() - begun_s < 2.5
    assert left_containers() == []


STARTS = {
    "mute": (ContainerFailed, "was not ready within 3 s"),
    "dead": (
        StepDied,
        "ended with status 3 before it answered. Its last lines on standard error:\ncannot find weights.bin",
    ),
}


@pytest.mark.parametrize("how", STARTS)
def test_a_container_that_never_gets_ready_is_reported(containers: Containers, tmp_path: Path, how: str) -> None:
    kind, said = STARTS[how]
    with pytest.raises(kind) as error:
        _begin(containers, tmp_path, how, start_limit_s=3.0 if how == "mute" else 60.0)
    assert said in str(error.value)


def test_what_podman_gets_before_the_first_line_is_wrong(podman: LocalContainers, tmp_path: Path) -> None:
    with pytest.raises(ContainerFailed, match="wrote 'Welcome to my component!' to standard output"):
        _begin(podman, tmp_path, "foreign")


def test_what_a_pod_writes_before_the_first_line_is_taken_for_its_log(pods: PodContainers, tmp_path: Path) -> None:
    assert _begin(pods, tmp_path, "foreign")


def _begin(containers: Containers, folder: Path, how: str, *, start_limit_s: float = 60.0) -> dict[str, Value | None]:
    image = local_image(rogue_program(), folder, how)
    resources = {**MANIFEST["resources"], "start_limit_s": start_limit_s}
    component = container_component(image, {**MANIFEST, "resources": resources}).from_parameters({})
    context = Context(models=NoModels(), cancellation=Cancellation(), containers=containers)
    return component.compute({"image": GOOD}, context)


def test_an_image_that_is_nowhere_is_refused_with_what_to_do(containers: Containers) -> None:
    with pytest.raises(Unavailable, match="could not be pulled"):
        ask(containers, f"localhost:1/absent/rogue@sha256:{'0' * 64}", "")


def test_an_image_without_its_program_cannot_be_started(containers: Containers, tmp_path: Path) -> None:
    program = tmp_path / "absent"
    program.write_text("no program")
    folder = tmp_path / "image"
    folder.mkdir()
    image = local_image(program, folder)
    with pytest.raises(Unavailable, match="The container of 'rogue@1' could not be started") as error:
        ask(containers, image, "")
    assert "absent" in str(error.value)


def test_on_kubernetes_the_message_says_where_to_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with (
        LocalContainers(tmp_path) as containers,
        pytest.raises(Unavailable, match="run the pipeline on a machine with"),
    ):
        ask(containers, f"localhost/rogue@sha256:{'0' * 64}", "")


@pytest.mark.parametrize("program", [None, "podman-of-nobody"])
def test_without_a_program_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        LocalContainers(tmp_path, program=program) as containers,
        pytest.raises(Unavailable, match=r"Component 'rogue@1' is a container image, and .* install podman"),
    ):
        ask(containers, f"localhost/rogue@sha256:{'0' * 64}", "")
