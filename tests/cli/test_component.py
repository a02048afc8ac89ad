"""`imageflow component` as a user has it: images are built, pushed, registered, shown, and run in pipelines."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image as Pillow

from tests.cli.here import command_line
from tests.containers.images import FOCUS, focus_program, left_containers, local_image
from tests.containers.registry import is_digest, registry
from tests.e2e.stack import Cli

SPEC = """
pipeline: sharp
steps:
  decode: {use: decode@2, from: {picture: inputs.picture}}
  grey: {use: colour@1, with: {space: grey}, from: {image: decode.image}}
  focus: {use: focus@1, with: {gain: 8}, from: {image: grey.image}}
outputs: {focus: focus.measurements, heat: focus.heat}
"""


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    with command_line(tmp_path / "home") as cli:
        yield cli


@pytest.fixture
def image(tmp_path: Path) -> str:
    folder = tmp_path / "image"
    folder.mkdir()
    return local_image(focus_program(), folder)


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "sharp.yaml"
    path.write_text(SPEC)
    return str(path)


def test_a_registered_container_runs_in_a_pipeline_beside_python_components(
    cli: Cli, image: str, spec: str, tmp_path: Path
) -> None:
    assert "there is no component 'focus@1'" in cli.run("pipeline", "check", spec, expect=2).stderr.lower()
    manifest = str(FOCUS / "component.yaml")
    assert cli.run("component", "register", image, "--manifest", manifest).stdout == "focus@1\n"
    assert cli.run("pipeline", "check", spec).stdout == "sharp 1: decode -> grey -> focus\n"
    edge, flat = np.zeros((40, 40), np.uint8), np.full((40, 40), 99, np.uint8)
    edge[:, 20:] = 255
    pictures = [str(tmp_path / name) for name in ("edge.png", "flat.png")]
    for pixels, path in zip((edge, flat), pictures, strict=True):
        Pillow.fromarray(pixels).save(path)
    said = cli.run("pipeline", "run", spec, *pictures, "--out", str(tmp_path / "out"), "--steps").stdout
    assert f"focus {2 * 255 / 38:.6g}"[:9] in said
    assert "focus 0" in said
    heat = np.asarray(Pillow.open(tmp_path / "out" / "edge.heat.png"))
    assert heat.shape == (40, 40)
    assert set(np.flatnonzero(heat[20])) == {19, 20}
    assert cli.run("pipeline", "publish", spec).stdout == "sharp@1\n"
    assert cli.json("pipeline", "show", "sharp")["images"] == {"focus@1": image}
    assert left_containers() == []


def test_a_registered_version_never_changes(cli: Cli, tmp_path: Path) -> None:
    image, other = (f"registry.example.com/focus@sha256:{digit * 64}" for digit in "12")
    manifest = tmp_path / "component.yaml"
    shutil.copy(FOCUS / "component.yaml", manifest)
    for _ in range(2):
        cli.run("component", "register", image, "--manifest", str(manifest))
    refused = cli.run("component", "register", other, "--manifest", str(manifest), expect=1).stderr
    assert (
        "'focus@1' is registered with another image, and versions never change: register yours as version 2." in refused
    )
    data = yaml.safe_load(manifest.read_text())
    manifest.write_text(yaml.safe_dump({**data, "resources": {"memory_mb": 100}}))
    refused = cli.run("component", "register", image, "--manifest", str(manifest), expect=1).stderr
    assert "with another manifest" in refused
    manifest.write_text(yaml.safe_dump({**data, "version": 2, "changes": "Other values."}))
    cli.run("component", "register", other, "--manifest", str(manifest))
    assert cli.json("component", "show", "focus")["image"] == other
    assert cli.json("component", "show", "focus@1")["image"] == image
    shown = cli.run("component", "show", "focus").stdout
    assert "Against version 1: Other values." in shown
    assert "with.gain" in shown
    assert "1 cores, 512 MB, 20 s an image" in shown
    assert "resize@1\t" in cli.run("component", "list").stdout
    listed = cli.run("component", "list", "--containers").stdout
    assert "focus@2\timage\theat, measurements\t" in listed
    assert "resize@1" not in listed


def test_what_cannot_be_registered_is_refused_with_the_reason(cli: Cli, tmp_path: Path) -> None:
    manifest = tmp_path / "component.yaml"
    text = (FOCUS / "component.yaml").read_text()
    manifest.write_text(text)
    for image in ("focus", "focus:1", "focus:1@sha256:" + "1" * 64, "focus@sha256:12"):
        said = cli.run("component", "register", image, "--manifest", str(manifest), expect=2).stderr
        assert f"'{image}' does not name an image by its digest" in said
    digest = "focus@sha256:" + "1" * 64
    manifest.write_text(text.replace("name: focus", "name: resize"))
    said = cli.run("component", "register", digest, "--manifest", str(manifest), expect=1).stderr
    assert "'resize' is the name of a component of ImageFlow" in said
    manifest.write_text(text.replace("kind: image}\n", "kind: picture}\n"))
    said = cli.run("component", "register", digest, "--manifest", str(manifest), expect=2).stderr
    assert "inputs.image.kind: 'picture' is no kind of value: there is encoded, image" in said
    assert "There is no component 'absent'" in cli.run("component", "show", "absent", expect=3).stderr


def test_images_are_built_once_for_each_source_and_pulled_by_their_digest(
    cli: Cli, spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "focus"
    shutil.copytree(FOCUS, folder, ignore=shutil.ignore_patterns("build"))
    shutil.copy(focus_program(), folder / "program")
    # In place of the compiler that a user's own script calls.
    (folder / "build.sh").write_text("#!/bin/sh\nset -e\nmkdir -p build\ncp program build/focus\n")
    with registry() as address:
        conf = tmp_path / "registries.conf"
        conf.write_text(f'[[registry]]\nprefix = "{address}"\nlocation = "{address}"\ninsecure = true\n')
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
        lock = str(tmp_path / "components.lock")
        command = ("component", "build", str(folder), "--registry", f"{address}/team", "--lock", lock, "--register")
        first = cli.json(*command)
        assert first["new"]
        assert first["image"].startswith(f"{address}/team/focus@")
        assert is_digest(first["image"])
        assert cli.json(*command) == {**first, "new": False}
        subprocess.run(["podman", "rmi", "--force", f"{address}/team/focus:1"], check=True, capture_output=True)
        picture = tmp_path / "flat.png"
        Pillow.fromarray(np.full((9, 9), 7, np.uint8)).save(picture)
        assert "focus 0" in cli.run("pipeline", "run", spec, str(picture)).stdout, "it was pulled"
        with (folder / "Containerfile").open("a") as file:
            file.write("LABEL changed=yes\n")
        said = cli.run(*command, expect=1).stderr
        assert "'focus@1' is registered with another image" in said
        manifest = folder / "component.yaml"
        manifest.write_text(manifest.read_text().replace("version: 1", "version: 2"))
        second = cli.json(*command)
        assert second["component"] == "focus@2"
        assert second["image"] != first["image"]
    (folder / "build.sh").write_text("#!/bin/sh\necho no compiler is here\nexit 3\n")
    said = cli.run("component", "build", str(folder), "--lock", lock, expect=2).stderr
    assert "build.sh' failed:\nno compiler is here" in said
    subprocess.run(["podman", "rmi", "--force", *_images(address)], check=True, capture_output=True)


def _images(address: str) -> list[str]:
    command = ["podman", "images", "--quiet", "--filter", f"reference={address}/team/*"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
