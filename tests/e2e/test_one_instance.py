"""Command line, plain `dagster dev` and the stack share one instance, which outlives each of them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import psutil
import pytest

from tests.cli.here import within
from tests.e2e.instances import ask, locations, materialised, sensors
from tests.e2e.stack import ROOT, Cli, Stack, dagster_dev, environment, free_port, running_stack

pytestmark = pytest.mark.e2e

_STOP = "mutation($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"
_RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "imageflow") { __typename
  ... on WorkspaceLocationEntry { loadStatus locationOrLoadError { __typename } } } }"""
_SURVEY = [
    sys.executable, "-m", "imageflow_cli.main", "survey", "run", "--json", "--driver", "city", "--grid", "2x2",
    "--game", "city", "--save", "seven", "--set", "view=[320,256]", "--set", "drift_px=8", "--lossless-method", "0",
]  # fmt: skip
_AT_ONCE = int(os.environ.get("IMAGEFLOW_SURVEYS_AT_ONCE", "3"))
"""`make soak` runs seven."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a webserver shows of the instance."""

    locations: tuple[str, ...]
    surveys: frozenset[str]
    """Whose coordinates are materialised."""
    sensors: Mapping[str, str]
    """The status of each."""

    @classmethod
    def at(cls, address: str) -> Self:
        return cls(
            locations=tuple(location["name"] for location in locations(address)),
            surveys=frozenset(materialised(address, "coordinates")),
            sensors={name: state["status"] for name, state in sensors(address).items()},
        )


@dataclass(frozen=True, kw_only=True)
class Life:
    """What was seen of one instance, from process to process."""

    survey: str
    """Made by command line before everything else."""
    in_stack: Shown
    switched_off: Shown
    """In the same stack, which is killed then."""
    in_dev: Shown
    in_next_stack: Shown
    reloaded: Mapping[str, Any]
    """What the next stack says of its code, once the code server of the killed one is gone."""


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """In a folder like the repository's root: configuration files, and nothing set in the environment."""
    folder = tmp_path_factory.mktemp("root")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, folder / name)
    env = {name: value for name, value in environment(folder).items() if not name.startswith("IMAGEFLOW_")}
    ports = {
        "IMAGEFLOW_GATEWAY_PORT": str(free_port()),
        "IMAGEFLOW_DAGSTER_PORT": str(free_port()),
        "IMAGEFLOW_ENGINE_GRPC_PORT": str(free_port()),
    }
    cli = Cli(home=folder / ".imageflow", env={**env, **ports})
    survey = str(cli.json(*_SURVEY[3:])["survey"])
    with running_stack(cli) as killed:
        in_stack = Shown.at(killed.dagster)
        ask(killed.dagster, _STOP, id=sensors(killed.dagster)["notice_map_uploads"]["id"])
        switched_off = Shown.at(killed.dagster)
        (old,) = map(psutil.Process, killed.processes("code-server"))
        old.suspend()  # as one whose calls have not ended yet
        killed.process.kill()
        killed.process.wait()
    with dagster_dev(folder, env) as address:
        in_dev = Shown.at(address)
    with running_stack(cli) as stack:
        old.resume()
        old.wait(60)
        reloaded = stack.graphql(_RELOAD)["reloadRepositoryLocation"]
        in_next_stack = Shown.at(stack.dagster)
    return Life(
        survey=survey,
        in_stack=in_stack,
        switched_off=switched_off,
        in_dev=in_dev,
        in_next_stack=in_next_stack,
        reloaded=reloaded,
    )


def test_a_survey_by_command_line_is_seen_in_dagster_dev_and_before_and_after_it(life: Life) -> None:
    assert life.survey in life.in_stack.surveys
    assert life.survey in life.in_dev.surveys
    assert life.survey in life.in_next_stack.surveys


def test_location_and_switched_off_sensors_are_the_same_in_dagster_dev(life: Life) -> None:
    assert {shown.locations for shown in (life.in_stack, life.in_dev, life.in_next_stack)} == {("imageflow",)}
    assert life.in_stack.sensors["notice_map_uploads"] == "RUNNING"
    assert life.switched_off.sensors == {**life.in_stack.sensors, "notice_map_uploads": "STOPPED"}
    assert life.in_dev.sensors == life.in_next_stack.sensors == life.switched_off.sensors


def test_a_code_server_that_outlives_its_killed_stack_does_not_take_the_next_ones_place(life: Life) -> None:
    assert life.reloaded.get("loadStatus") == "LOADED", life.reloaded
    assert life.reloaded["locationOrLoadError"]["__typename"] == "RepositoryLocation", life.reloaded


def test_surveys_at_once_the_daemon_and_the_command_line_share_the_instance(cli: Cli, stack: Stack) -> None:
    running = [
        subprocess.Popen(_SURVEY, env=cli.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(_AT_ONCE)
    ]
    ended = [(process.communicate(timeout=240), process.returncode) for process in running]
    assert [code for _, code in ended] == [0] * _AT_ONCE, ended
    with within(cli) as here:
        surveys = here.json("survey", "list", "--save", "seven")
    assert len({one["survey"] for one in surveys}) == _AT_ONCE
    assert {one["state"] for one in surveys} == {"completed"}
