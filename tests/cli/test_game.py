"""`imageflow game`, and surveys by a game's YAML."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from game_capture.registry import DRIVERS
from tests.cli.here import Here, command_line

CITY = """
title: A small city
driver: {name: city, parameters: {seed: 3, view: [320, 256], paused: true, drift_px: 4}}
grid: {rows: 2, cols: 2}
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Here]:
    with command_line(tmp_path_factory.mktemp("games") / "home", databases()) as made:
        yield made


def test_the_schema_is_json_and_knows_every_driver(cli: Here) -> None:
    schema = json.loads(cli.run("game", "schema").stdout)
    kinds = schema["properties"]["driver"]["oneOf"]
    assert [kind["title"] for kind in kinds] == sorted(DRIVERS)
    assert json.loads(cli.run("game", "schema", "--parameters", "x11").stdout)["properties"]["scroll"]["description"]


def test_check_says_that_a_file_is_right_or_every_mistake_in_it(cli: Here, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(CITY)
    assert "is right: a game of driver city" in cli.run("game", "check", str(file)).stderr
    file.write_text("command: [game]\nstep: [100, 100]\nscrol: {by: keys}\nprepare: [{key: Retrun}]\n")
    said = cli.run("game", "check", str(file), expect=2).stderr
    assert "scrol: is no setting here" in said
    assert "did you mean scroll?" in said
    assert "prepare.0.key: 'Retrun' is no key's name" in said
    assert said.count("\n") == 3


def test_check_says_what_a_probe_measures_where_nothing_else_is_missing(cli: Here, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    probe = f"`imageflow game probe {file} --write {file} --force`"
    for scroll, missing in (
        ("", "no scroll and no step yet"),
        ("scroll: {by: wheel}\n", "no scroll.px_per_notch and no step yet"),
    ):
        file.write_text(f"command: [game]\n{scroll}")
        said = cli.run("game", "check", str(file), expect=2).stderr
        assert f"'{file}' has {missing}, and no other mistake." in said
        assert probe in said
    file.write_text("command: [game]\nprepare: [{key: Retrun}]\n")
    said = cli.run("game", "check", str(file), expect=2).stderr
    assert "prepare.0.key: 'Retrun' is no key's name" in said
    assert "scroll: is missing: How the camera is moved; `imageflow game probe` measures it" in said
    assert "no other mistake" not in said


def test_a_survey_takes_grid_driver_and_name_from_its_file_and_options_override_them(cli: Here, tmp_path: Path) -> None:
    file = tmp_path / "small_city.yaml"
    file.write_text(CITY)
    made = cli.run("survey", "run", "--config", str(file), "--save", "home", "--grid", "3x2").stdout.split()[-1]
    assert made == "small_city-home-0001"
    shown = json.loads(cli.run("survey", "show", made, "--json").stdout)
    assert (shown["driver"], shown["grid"], shown["view"]) == ("city", "3x2", "320x256")
    resumed = cli.run("survey", "resume", made)
    assert "nothing changed" in resumed.stderr
    file.write_text(CITY.replace("seed: 3", "seed: 4"))
    said = cli.run("survey", "resume", made, expect=2).stderr
    assert "cannot change while 'small_city-home-0001' is under way" in said
    assert "seed: 3 -> 4" in said


def test_what_is_missing_or_does_not_fit_is_named(cli: Here, tmp_path: Path) -> None:
    file = tmp_path / "My City.yaml"
    file.write_text(CITY)
    assert "--driver NAME, or --config FILE" in cli.run("survey", "run", "--save", "s", expect=2).stderr
    assert "Name the game with --game" in cli.run("survey", "run", "--driver", "city", "--save", "s", expect=2).stderr
    assert (
        "Name the game with --game" in cli.run("survey", "run", "--config", str(file), "--save", "s", expect=2).stderr
    )
    said = cli.run(
        "survey", "run", "--driver", "x11", "--config", str(file), "--game", "g", "--save", "s", expect=2
    ).stderr
    assert "describes a game of driver city, not x11" in said
