"""The stack's code location: it loads changed code, and comes back when it is killed."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.dagster_pages import Pages
from tests.e2e.instances import sensors
from tests.e2e.stack import Stack, wait_for

pytestmark = pytest.mark.e2e

_RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "imageflow") {
  __typename } }"""
_NO_PYTHON = "this is no Python"
_MORE_CODE = '''

@dg.sensor(job_name="plan_survey", minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def added_later() -> dg.SkipReason:
    """Shows that Dagster's daemon has this code."""
    return dg.SkipReason("nothing to do")


defs = dg.Definitions.merge(defs, dg.Definitions(sensors=[added_later]))
'''


@pytest.fixture
def definitions(stack: Stack, checkout: Path) -> Iterator[Path]:
    """The file of the definitions, which a test may change; others find it as it was, and loaded."""
    file = checkout / "imageflow_assets" / "definitions.py"
    before = file.read_text()
    yield file
    if file.read_text() != before:  # a test that passes has corrected it
        file.write_text(before)
        stack.graphql(_RELOAD)


def test_reloading_definitions_loads_changed_code_for_the_ui_and_the_daemon(
    stack: Stack, definitions: Path, tab: Page
) -> None:
    pages = Pages(stack, tab)
    count = len(sensors(stack.dagster))
    before = definitions.read_text()
    definitions.write_text(before + _MORE_CODE)
    pages.reload_definitions()
    expect(_loaded(tab, count + 1)).to_be_visible()
    newest = pages.open_sensor("added_later").first
    expect(pages.read_tick(newest).get_by_text("nothing to do")).to_be_visible()
    definitions.write_text(before)
    pages.reload_definitions()
    expect(_loaded(tab, count)).to_be_visible()
    pages.open("/automation")
    expect(tab.get_by_text("notice_map_uploads").first).to_be_visible()
    expect(tab.get_by_text("added_later")).to_have_count(0)


def test_code_that_does_not_load_is_shown_and_loads_once_it_is_corrected(
    stack: Stack, definitions: Path, tab: Page
) -> None:
    pages = Pages(stack, tab)
    server, count = stack.processes("code-server"), len(sensors(stack.dagster))
    before = definitions.read_text()
    definitions.write_text(f"{before}\n{_NO_PYTHON}\n")
    pages.reload_definitions()
    expect(tab.get_by_text("Failed", exact=True)).to_be_visible()
    pages.open("/deployment/locations")
    tab.get_by_text("View error").click()
    for told in ("Error loading imageflow. Try reloading the code location", "SyntaxError: invalid syntax"):
        expect(pages.dialog.get_by_text(told).first).to_be_visible()
    time.sleep(5)  # several looks of `imageflow up` at a code server that is healthy
    assert stack.processes("code-server") == server
    definitions.write_text(before)
    pages.reload_definitions()
    expect(_loaded(tab, count)).to_be_visible()


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


def _loaded(tab: Page, count: int) -> Locator:
    """Return what the page of all code locations shows of one that is loaded: how many sensors it has."""
    row = tab.locator("div", has=tab.get_by_text("Loaded", exact=True))
    return row.get_by_role("link", name=f"sensors {count}", exact=True).first


def _tick_since(stack: Stack, begin: float, sensor: str) -> bool | None:
    ticks = sensors(stack.dagster).get(sensor, {}).get("ticks", [])
    return True if any(tick["timestamp"] > begin and tick["status"] == "SKIPPED" for tick in ticks) else None
