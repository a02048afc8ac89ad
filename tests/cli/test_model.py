"""`imageflow model`, as people use it: check, register, list; training in little."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from imageflow_models.registering import shipped
from tests.cli.here import Here, command_line
from tests.models.references import reference_folder

DETECTOR = next(folder for folder in shipped() if "defects" in folder.name)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Here]:
    with command_line(tmp_path) as cli:
        yield cli


def test_the_shipped_models_are_registered_listed_and_registered_again(cli: Here) -> None:
    for _ in range(2):
        done = cli.run("model", "register", "--shipped")
        assert done.stdout.split() == ["product_defects@1", "product_heat@1"]
        assert "each model that is listed passed its check" in done.stderr
    listed = cli.run("model", "list", "--json").stdout.splitlines()
    assert [json.loads(line)["task"] for line in listed] == ["detect", "anomaly"]


def test_a_check_tells_what_the_gate_says_and_the_scores(cli: Here, tmp_path: Path) -> None:
    told = cli.json("model", "check", str(DETECTOR), "--held-out", "40")
    assert told["model"] == "product_defects@1"
    assert float(told["image F1"]) > 0.8
    assert not (tmp_path / "objects" / "models").exists()


def test_a_folder_that_holds_no_model_ends_with_a_sentence(cli: Here, tmp_path: Path) -> None:
    said = cli.run("model", "register", str(tmp_path), expect=3).stderr
    assert "model.json' cannot be read" in said
    assert "Traceback" not in said
    cli.run("model", "register", expect=2)


def test_a_model_that_heats_is_not_scored_on_boxes(cli: Here) -> None:
    heater = next(folder for folder in shipped() if "heat" in folder.name)
    assert "only those that detect" in cli.run("model", "check", str(heater), "--held-out", "20", expect=2).stderr


def test_training_writes_two_folders_that_the_gate_takes(cli: Here, tmp_path: Path) -> None:
    sizes = ("--pictures", "64", "--passes", "1", "--validation", "60")
    folders = cli.run("model", "train", str(tmp_path / "out"), *sizes, "--version", "2").stdout.split()
    assert [Path(folder).name for folder in folders] == ["product_defects_2", "product_heat_2"]
    cli.run("model", "check", folders[0])


def test_a_reference_image_is_checked_and_registered_as_a_model(cli: Here, tmp_path: Path) -> None:
    folder = reference_folder(tmp_path / "plate")
    assert "found in a turned copy" in cli.run("model", "check", str(folder)).stderr
    assert cli.run("model", "register", str(folder)).stdout.split() == ["plate@1"]
    (listed,) = cli.run("model", "list", "--json").stdout.splitlines()
    assert json.loads(listed)["task"] == "align"


def test_a_model_is_learned_from_a_folder_and_registered(cli: Here, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    good = tmp_path / "good"
    good.mkdir()
    for i in range(18):
        grain = cv2.GaussianBlur(random.standard_normal((128, 128)), (0, 0), 1.5)
        assert cv2.imwrite(str(good / f"{i}.png"), np.clip(120 + 60 * grain, 0, 255).astype(np.uint8))
    (good / "notes.txt").write_text("from Monday")
    (good / "broken.png").write_text("no image")
    out = tmp_path / "lid"
    done = cli.run("model", "learn", "lid", "--good", str(good), "--out", str(out))
    assert done.stdout.split() == [str(out)]
    assert "Skipped: notes.txt (a note or a sidecar)." in done.stderr
    assert "Left out: broken.png is no JPEG, PNG, WebP or BMP picture." in done.stderr
    assert "18 good images: at most 19 % false alarms can be shown." in " ".join(done.stderr.split())
    assert (out / "report.html").exists()
    assert cli.run("model", "register", str(out)).stdout.split() == ["lid@1"]


def test_learning_from_too_few_images_says_how_many_it_takes(cli: Here, tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.mkdir()
    said = cli.run("model", "learn", "lid", "--good", str(good), "--out", str(tmp_path / "lid"), expect=2).stderr
    assert "There are 0 different good images: learning takes at least 16." in " ".join(said.split())
