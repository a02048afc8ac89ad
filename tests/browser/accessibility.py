"""What axe-core finds wrong with a page."""

from playwright.sync_api import Page

from tests.e2e.stack import ROOT

AXE = ROOT / "webui" / "node_modules" / "axe-core" / "axe.min.js"


def violations(page: Page) -> list[str]:
    """Return every serious or critical violation, with where it stands."""
    if not page.evaluate("'axe' in window"):
        # by the debugger, which the page's own content security policy does not stop
        page.evaluate(AXE.read_text())
    # of what passes, axe would describe every element
    found = page.evaluate("async () => (await axe.run({ resultTypes: ['violations'] })).violations")
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
