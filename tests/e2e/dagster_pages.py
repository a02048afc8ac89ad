"""Dagster's pages in a browser, by what a person sees and clicks there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.stack import Stack

MAP_GROUP = "/locations/imageflow/asset-groups/map/lineage"
PATIENCE_MS = 120_000

_STILL = """
const still = new CSSStyleSheet();
still.replaceSync("*, *::before, *::after { animation: none !important; transition: none !important }");
document.adoptedStyleSheets = [still];
window.requestAnimationFrame = (paint) => setTimeout(() => paint(performance.now()), 200);
window.cancelAnimationFrame = clearTimeout;
"""
"""What turns and slides on the page of a run takes a core as long as the run does, where no GPU draws it.

Its chart is drawn anew for every frame: five in a second are enough, and take a quarter of what sixty do.
"""

_RUN = re.compile(r"/runs/([0-9a-f-]{36})")
_RELOAD = re.compile("^Reload$")


def open_tab(browser: Browser) -> Page:
    """Open a tab that waits patiently and in which nothing moves."""
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.add_init_script(_STILL)
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    return page


@dataclass(frozen=True)
class Pages:
    """Dagster's UI of a running stack in one tab."""

    stack: Stack
    page: Page

    def open(self, address: str) -> Page:
        self.page.goto(f"{self.stack.dagster}{address}")
        return self.page

    @property
    def dialog(self) -> Locator:
        return self.page.locator(".bp5-dialog").last

    @property
    def _is_right(self) -> Locator:
        """What the launchpad says of a configuration that can be launched."""
        return self.page.get_by_text("No errors")

    def button(self, name: str) -> Locator:
        return self.page.locator("button", has_text=name)

    def seen(self, text: str) -> Locator:
        """Return what shows a text; Dagster measures names in hidden copies of them."""
        return self.page.get_by_text(text, exact=True).locator("visible=true").last

    def write_config(self, text: str) -> None:
        """Replace all of the launchpad's configuration, as a person pastes it."""
        self.page.locator(".CodeMirror").last.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def plan(self, save: str, grid: str, parameters: str, *, keep: str = "delete") -> str:
        """Plan a survey of the city from the launchpad of `plan_survey`; return its id once its partition is there."""
        self.open("/locations/imageflow/jobs/plan_survey/playground")
        # whether it is right, or the one of the run before: nothing may be written earlier
        expect(self.page.get_by_text("Missing required config entries").or_(self._is_right)).to_be_visible()
        self.write_config(
            "ops:\n  register_survey:\n    config:\n      game: city\n"
            f"      save: {save}\n      grid: {grid}\n      keep: {keep}\n      parameters: {parameters}\n"
        )
        expect(self._is_right).to_be_visible()
        self.button("Launch Run").click()
        self.await_run_page()
        self.await_status("Success")
        return f"city-{save}-0001"

    def open_dialog(self, address: str = MAP_GROUP) -> Locator:
        """Open the dialog that materialises what a page shows."""
        self.open(address)
        self.button("Materialize").first.click()
        expect(self.dialog.get_by_text("Partition selection")).to_be_visible()
        return self.dialog

    def choose(self, surveys: Sequence[str]) -> None:
        """Choose partitions in the dialog."""
        self.dialog.get_by_text("Select a partition or create one").click()
        for survey in surveys:
            self.page.get_by_role("menuitem").filter(has_text=survey).click()
        self.page.keyboard.press("Escape")
        expect(self.dialog.get_by_text(f"{len(surveys)} partition", exact=False).first).to_be_visible()

    def materialise(self, survey: str, address: str = MAP_GROUP) -> str:
        """Materialise what a page shows for one survey; return the run, whose page is open then."""
        self.open_dialog(address)
        self.choose([survey])
        return self.launch()

    def configure(self, text: str) -> None:
        """Give the run that the dialog offers a configuration."""
        self.dialog.get_by_text("Config", exact=True).click()
        self.dialog.get_by_text("Add config").click()
        expect(self.dialog.get_by_text("Config Editor")).to_be_visible()
        self.write_config(text)
        expect(self._is_right).to_be_visible()
        self.button("Save config").click()
        expect(self.dialog.get_by_text("Config saved")).to_be_visible()

    def launch(self) -> str:
        """Launch the run that the dialog offers; return its id, once its page is open."""
        self.dialog.locator("button", has_text="Launch 1 run").click()
        # beside this note there may be one of a backfill
        launched = self.page.locator("[data-sonner-toast]", has_text="Launched run")
        launched.get_by_text("View", exact=True).click()
        return self.await_run_page()

    def backfill(self) -> str:
        """Launch the backfill of what is chosen in the dialog; return its id."""
        self.dialog.locator("button", has_text="Launch backfill").click()
        told = self.page.get_by_text("Created backfill").first
        expect(told).to_be_visible()
        return told.inner_text().split()[2]

    def await_run_page(self) -> str:
        """Return the run whose page has opened."""
        self.page.wait_for_url(_RUN, wait_until="commit")
        found = _RUN.search(self.page.url)
        assert found is not None
        return found[1]

    def await_status(self, status: str) -> None:
        """Wait until the run's page, which follows the run, shows how it ended."""
        expect(self.page.get_by_text(status, exact=True).first).to_be_visible(timeout=PATIENCE_MS)

    def terminate(self) -> None:
        """Cancel the run whose page is open."""
        self.button("Terminate").first.click()
        self.dialog.locator("button", has_text="Terminate 1 run").click()

    def reexecute_from_failure(self) -> str:
        """Do so with the run whose page is open; return the new run, whose page is open then."""
        before = self.page.url
        self.page.locator("button:has([aria-label=arrow_drop_down])").first.click()
        self.page.get_by_role("menuitem").filter(has_text="From failure").click()
        self.page.wait_for_url(lambda url: url != before and _RUN.search(url) is not None, wait_until="commit")
        return self.await_run_page()

    def show_events(self, kind: str) -> None:
        """Show the events of one type alone on the run's page, which is open: it shows no more than fit its height."""
        self.page.get_by_placeholder("Filter…").fill(f"type:{kind}")

    def show_partition(self, asset: str, survey: str) -> Page:
        """Open an asset's page at one partition."""
        self.open(f"/assets/{asset}?view=partitions&partition={survey}")
        expect(self.page.get_by_text("Latest materialization")).to_be_visible()
        return self.page

    def await_materialised(self, asset: str, survey: str, run: str) -> None:
        """Wait until an asset's page shows a partition as materialised by a run."""
        page = self.show_partition(asset, survey)
        expect(page.get_by_text("Materialized", exact=True).first).to_be_visible()
        expect(page.get_by_role("link", name=run[:8]).first).to_be_visible()

    def open_sensor(self, name: str) -> Locator:
        """Open a sensor's page; return its ticks, the newest first."""
        page = self.open(f"/locations/imageflow/sensors/{name}")
        ticks = page.locator("tr", has_text="View logs")
        expect(ticks.first).to_be_visible()
        return ticks

    def switch_sensor(self, *, on: bool) -> None:
        """Switch the sensor whose page is open."""
        switch = self.page.get_by_role("checkbox")
        expect(switch).to_be_checked(checked=not on)
        self.page.locator("label", has=switch).click()
        expect(switch).to_be_checked(checked=on)

    def read_tick(self, tick: Locator) -> Locator:
        """Open what a tick of a sensor's page says of itself."""
        tick.get_by_text("0 runs requested").last.click()
        expect(self.dialog.get_by_text("Skip reason:")).to_be_visible()
        return self.dialog

    def reload_definitions(self) -> None:
        """Reload the code location from the page of all of them."""
        self.open("/deployment/locations")
        self.page.locator("button", has_text=_RELOAD).click()
