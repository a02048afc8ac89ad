"""One code location, `imageflow`, however it is started: it loads changed code, and comes back when it is killed."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.stack import ROOT, Cli, Stack, dagster_dev, environment, free_port, running_stack, wait_for

pytestmark = pytest.mark.e2e

_LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries {
  name locationOrLoadError { __typename ... on PythonError { message causes { message } } } } } } }"""
_RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "imageflow") {
  __typename ... on WorkspaceLocationEntry { locationOrLoadError { __typename } } } }"""
_SENSORS = """
{ sensorsOrError(repositorySelector: {repositoryLocationName: "imageflow", repositoryName: "__repository__"}) {
  ... on Sensors { results { name sensorState { id status ticks(limit: 1) { timestamp status } } } } } }"""
_STOP = "mutation($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"

_MORE_CODE = '''

@dg.sensor(job_name="plan_survey", minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def added_later() -> dg.SkipReason:
    """Shows that Dagster's daemon has this code."""
    return dg.SkipReason("nothing to do")


defs = dg.Definitions.merge(defs, dg.Definitions(sensors=[added_later]))
'''


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's code and configuration, which a test may change."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("dagster.yaml", "workspace.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    for package in (*ROOT.glob("imageflow_*"), ROOT / "game_capture"):
        shutil.copytree(package, root / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture(scope="module")
def ours(checkout: Path) -> Iterator[Stack]:
    """A stack of the copied code."""
    with _stack_with(checkout / "home") as stack:
        yield stack


@contextmanager
def _stack_with(home: Path) -> Iterator[Stack]:
    ports = {"IMAGEFLOW_GATEWAY_PORT": str(free_port()), "IMAGEFLOW_DAGSTER_PORT": str(free_port())}
    with running_stack(Cli(home=home, env=environment(home, **ports))) as stack:
        yield stack


def test_reloading_definitions_loads_changed_code_for_the_ui_and_the_daemon(ours: Stack, checkout: Path) -> None:
    file = checkout / "imageflow_assets" / "definitions.py"
    before = file.read_text()
    file.write_text(before + _MORE_CODE)
    assert _reload(ours) == "RepositoryLocation"
    assert "added_later" in _sensors(ours.dagster)
    wait_for(lambda: _tick_since(ours, 0, "added_later"), 60, lambda: str(_sensors(ours.dagster)))
    file.write_text(before)
    assert _reload(ours) == "RepositoryLocation"
    assert "added_later" not in _sensors(ours.dagster)


def test_code_that_does_not_load_is_shown_and_loads_once_it_is_corrected(ours: Stack, checkout: Path) -> None:
    file = checkout / "imageflow_assets" / "definitions.py"
    before = file.read_text()
    file.write_text(before + "\nthis is no Python\n")
    server = ours.processes("code-server")
    assert _reload(ours) == "PythonError"
    time.sleep(5)  # several looks of `imageflow up` at a code server that is healthy
    assert ours.processes("code-server") == server
    (location,) = _locations(ours.dagster)
    assert "SyntaxError" in str(location["locationOrLoadError"])
    file.write_text(before)
    assert _reload(ours) == "RepositoryLocation"


@pytest.mark.parametrize("words", [("code-server",), ("api grpc",), ("code-server", "api grpc")], ids=" and ".join)
def test_a_killed_code_server_comes_back_and_nothing_of_it_is_left(ours: Stack, words: tuple[str, ...]) -> None:
    family = {name: [psutil.Process(pid) for pid in ours.processes(name)] for name in ("code-server", "api grpc")}
    killed = time.time()
    for name in words:
        for process in family[name]:
            process.kill()
    wait_for(lambda: _tick_since(ours, killed, "notice_map_uploads"), 60, lambda: str(_sensors(ours.dagster)))
    left = [process for processes in family.values() for process in processes if process.is_running()]
    assert left == []
    assert [len(ours.processes(name)) for name in family] == [1, 1]


def test_location_and_switched_off_sensors_are_the_same_in_dagster_dev(checkout: Path) -> None:
    home = checkout / "shared"
    with _stack_with(home) as stack:
        assert [location["name"] for location in _locations(stack.dagster)] == ["imageflow"]
        before = _states(stack.dagster)
        _ask(stack.dagster, _STOP, id=_sensors(stack.dagster)["notice_map_uploads"]["id"])
        off = _states(stack.dagster)
        assert off == before | {"notice_map_uploads": "STOPPED"}
        assert before["notice_map_uploads"] == "RUNNING"
    with dagster_dev(checkout, environment(home)) as address:
        assert [location["name"] for location in _locations(address)] == ["imageflow"]
        assert _states(address) == off


def _ask(address: str, query: str, **variables: Any) -> Any:
    answer = httpx.post(f"{address}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
    assert "errors" not in answer, answer
    return answer["data"]


def _reload(stack: Stack) -> str:
    reloaded = _ask(stack.dagster, _RELOAD)["reloadRepositoryLocation"]
    return str(reloaded["locationOrLoadError"]["__typename"])


def _locations(address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _ask(address, _LOCATIONS)["workspaceOrError"]["locationEntries"]
    return found


def _sensors(address: str) -> dict[str, dict[str, Any]]:
    """Return the state of each sensor; nothing while the code server is away."""
    found = _ask(address, _SENSORS)["sensorsOrError"].get("results", [])
    return {sensor["name"]: sensor["sensorState"] for sensor in found}


def _states(address: str) -> dict[str, str]:
    return {name: state["status"] for name, state in _sensors(address).items()}


def _tick_since(stack: Stack, begin: float, sensor: str) -> bool | None:
    ticks = _sensors(stack.dagster).get(sensor, {}).get("ticks", [])
    return True if any(tick["timestamp"] > begin and tick["status"] == "SKIPPED" for tick in ticks) else None
