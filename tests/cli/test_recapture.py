"""`imageflow survey recapture`: unsure screenshots are taken again with others between, by one command."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.cli.here import Here, command_line
from tests.mosaic.worlds import ROOT

LAKES = (
    *("survey", "run", "--driver", "city", "--game", "lakes", "--save", "main", "--grid", "7x7", "--seed", "2"),
    *("--set", "water=0.85", "--set", "view=[480,384]", "--set", "drift_px=12"),
    *("--set", "paused=true", "--lossless-method", "0"),
)


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Here]:
    with command_line(tmp_path_factory.mktemp("recapture") / "home", databases()) as made:
        yield made


def test_a_watery_map_is_taken_again_and_more_of_it_is_sure(cli: Here) -> None:
    first = cli.json(*LAKES)["survey"]
    facts = cli.json("survey", "recapture", first)
    assert facts["survey"] == "lakes-main-0002"
    assert facts["unsure_before"] > 10
    assert facts["anchored_now"] >= facts["unsure_before"] / 2
    assert cli.json("survey", "show", facts["survey"])["state"] == "completed"


def test_frames_of_a_folder_cannot_be_taken_again(cli: Here, tmp_path: Path) -> None:
    for name in ("r00_c00.png", "r00_c01.png", "r01_c00.png", "r01_c01.png"):
        shutil.copyfile(ROOT / "examples" / "openttd-small" / name, tmp_path / name)
    folder = cli.json(
        "survey", "run", "--driver", "folder", "--source", str(tmp_path), "--game", "frames", "--save", "main"
    )["survey"]
    said = cli.run("survey", "recapture", folder, expect=2).stderr
    assert "Traceback" not in said
    assert "folder" in said


def test_a_survey_that_nobody_knows_is_named(cli: Here) -> None:
    assert "lakes-main-0099" in cli.run("survey", "recapture", "lakes-main-0099", expect=3).stderr
