"""The stack's code location: it loads changed code, and comes back when it is killed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.e2e.instances import locations, sensors
from tests.e2e.stack import Stack, wait_for

pytestmark = pytest.mark.e2e

_RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "imageflow") {
  __typename ... on WorkspaceLocationEntry { locationOrLoadError { __typename } } } }"""
_MORE_CODE = '''

@dg.sensor(job_name="plan_survey", minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def added_later() -> dg.SkipReason:
    """Shows that Dagster's daemon has this code."""
    return dg.SkipReason("nothing to do")


defs = dg.Definitions.merge(defs, dg.Definitions(sensors=[added_later]))
'''


@contextmanager
def _changed(stack: Stack, checkout: Path, more: str) -> Iterator[str]:
    """Add to the definitions, load them for a `with` block, and yield what Dagster says of that."""
    file = checkout / "imageflow_assets" / "definitions.py"
    before = file.read_text()
    file.write_text(before + more)
    try:
        yield _reload(stack)
    finally:
        file.write_text(before)
        assert _reload(stack) == "RepositoryLocation"


def test_reloading_definitions_loads_changed_code_for_the_ui_and_the_daemon(stack: Stack, checkout: Path) -> None:
    with _changed(stack, checkout, _MORE_CODE) as loaded:
        assert loaded == "RepositoryLocation"
        assert "added_later" in sensors(stack.dagster)
        wait_for(lambda: _tick_since(stack, 0, "added_later"), 60, lambda: str(sensors(stack.dagster)))
    assert "added_later" not in sensors(stack.dagster)


def test_code_that_does_not_load_is_shown_and_loads_once_it_is_corrected(stack: Stack, checkout: Path) -> None:
    server = stack.processes("code-server")
    with _changed(stack, checkout, "\nthis is no Python\n") as loaded:
        assert loaded == "PythonError"
        time.sleep(5)  # several looks of `imageflow up` at a code server that is healthy
        assert stack.processes("code-server") == server
        (location,) = locations(stack.dagster)
        assert "SyntaxError" in str(location["locationOrLoadError"])


@pytest.mark.parametrize("words", [("code-server",), ("api grpc",), ("code-server", "api grpc")], ids=" and ".join)
def test_a_killed_code_server_comes_back_and_nothing_of_it_is_left(stack: Stack, words: tuple[str, ...]) -> None:
    family = {name: [psutil.Process(pid) for pid in stack.processes(name)] for name in ("code-server", "api grpc")}
    log = stack.cli.home / "logs" / "code.log"
    before = log.read_text()
    killed = time.time()
    for name in words:
        for process in family[name]:
            process.kill()
    wait_for(lambda: _tick_since(stack, killed, "notice_map_uploads"), 60, lambda: str(sensors(stack.dagster)))
    left = [process for processes in family.values() for process in processes if process.is_running()]
    assert left == []
    assert [len(stack.processes(name)) for name in family] == [1, 1]
    assert log.read_text().startswith(before), "its last words are read after it was started again"


def _reload(stack: Stack) -> str:
    reloaded = stack.graphql(_RELOAD)["reloadRepositoryLocation"]
    return str(reloaded["locationOrLoadError"]["__typename"])


def _tick_since(stack: Stack, begin: float, sensor: str) -> bool | None:
    ticks = sensors(stack.dagster).get(sensor, {}).get("ticks", [])
    return True if any(tick["timestamp"] > begin and tick["status"] == "SKIPPED" for tick in ticks) else None
