"""`imageflow model`, as people use it: check, register, list; training in little."""

import json
import os
import subprocess
import sys
from pathlib import Path

from imageflow_models.registering import shipped

DETECTOR = next(folder for folder in shipped() if "defects" in folder.name)


def imageflow(home: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "imageflow_cli.main", "model", *map(str, arguments)],
        env=os.environ | {"IMAGEFLOW_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_shipped_models_are_registered_listed_and_registered_again(tmp_path: Path) -> None:
    for _ in range(2):
        done = imageflow(tmp_path, "register", "--shipped")
        assert (done.returncode, done.stdout.split()) == (0, ["product_defects@1", "product_heat@1"]), done.stderr
        assert "answers its golden set as its original did" in done.stderr
    listed = imageflow(tmp_path, "list", "--json").stdout.splitlines()
    assert [json.loads(line)["task"] for line in listed] == ["detect", "anomaly"]


def test_a_check_tells_what_the_gate_says_and_the_scores(tmp_path: Path) -> None:
    done = imageflow(tmp_path, "check", DETECTOR, "--held-out", "40", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["model"] == "product_defects@1"
    assert float(told["image F1"]) > 0.8
    assert not (tmp_path / "objects" / "models").exists()


def test_a_folder_that_holds_no_model_ends_with_a_sentence(tmp_path: Path) -> None:
    done = imageflow(tmp_path, "register", tmp_path)
    assert done.returncode == 3
    assert "model.json' cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert imageflow(tmp_path, "register").returncode == 2


def test_a_model_that_heats_is_not_scored_on_boxes(tmp_path: Path) -> None:
    heater = next(folder for folder in shipped() if "heat" in folder.name)
    done = imageflow(tmp_path, "check", heater, "--held-out", "20")
    assert done.returncode == 2
    assert "only those that detect" in done.stderr


def test_training_writes_two_folders_that_the_gate_takes(tmp_path: Path) -> None:
    done = imageflow(tmp_path, "train", tmp_path / "out", "--pictures", "64", "--passes", "1", "--version", "2")
    assert done.returncode == 0, done.stderr
    folders = done.stdout.split()
    assert [Path(folder).name for folder in folders] == ["product_defects_2", "product_heat_2"]
    assert imageflow(tmp_path, "check", folders[0]).returncode == 0
