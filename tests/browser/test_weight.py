"""What a browser loads before it shows the map."""

import gzip
import json
from pathlib import Path

import pytest

from tests.browser.stand import BUILT

MAP_PAGE_BYTES = 300_000


@pytest.fixture
def app() -> Path:
    if not BUILT.exists():
        pytest.fail("the pages are not built: make webui")
    return BUILT.parent


def test_the_map_page_loads_less_than_300_kb_of_gzipped_script(app: Path) -> None:
    manifest = json.loads((app / ".vite" / "manifest.json").read_text())
    loaded: set[str] = set()
    waiting = ["index.html"]
    while waiting:
        chunk = manifest[waiting.pop()]
        if chunk["file"] not in loaded:
            loaded.add(chunk["file"])
            waiting += chunk.get("imports", [])
    assert len(loaded) < len([chunk for chunk in manifest.values() if chunk["file"].endswith(".js")])
    sizes = {name: len(gzip.compress((app / name).read_bytes(), 9)) for name in loaded}
    assert 50_000 < sum(sizes.values()) < MAP_PAGE_BYTES, sizes


def test_licences_of_what_is_built_in_come_along(app: Path) -> None:
    told = (app / ".vite" / "license.md").read_text()
    for name in ("leaflet", "react", "@mantine/core", "@tanstack/react-query", "wouter"):
        assert name in told
