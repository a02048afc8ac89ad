"""The trust page: shares, findings, distributions, and the least sure screenshots beside what they should continue."""

from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.stand import SHORE, Stand

pytestmark = pytest.mark.e2e


def test_the_page_tells_what_the_survey_is_worth(look: Any, stand: Stand) -> None:
    trust = stand.get(f"/api/surveys/{SHORE}/trust")
    page = look(f"/surveys/{SHORE}/trust")
    share = page.locator(".share")
    expect(share.locator("b")).to_have_text(f"{trust['anchored_share']:.0%}")
    expect(share).to_contain_text(f"Anchored {trust['anchored']}")
    expect(share).to_contain_text(f"Ambiguous {trust['ambiguous']}")
    for finding in trust["findings"]:
        expect(page.locator(".findings")).to_contain_text(finding["text"])
    failed = next(one for one in trust["findings"] if one["offenders"])
    entry = page.locator(".finding", has_text=failed["text"])
    entry.get_by_role("button").click()
    expect(entry).to_contain_text(failed["offenders"][0])
    expect(
        page.get_by_text(f"{trust['loops']['closed']} of {trust['loops']['closed']} loops close exactly")
    ).to_be_visible()
    mean = f"{min(trust['seams']['mean_agreement'], 0.9999):.2%}"
    expect(page.locator(".card", has_text="Seam agreement")).to_contain_text(f"{mean} on average")


def test_the_worst_shots_stand_beside_what_their_neighbour_shows(look: Any, stand: Stand) -> None:
    worst = stand.get(f"/api/surveys/{SHORE}/trust")["worst"][0]
    page = look(f"/surveys/{SHORE}/trust", height=1400)
    first = page.locator(".worst > li").first
    expect(first).to_contain_text(f"Row {worst['row']}, column {worst['col']}")
    pictures = first.locator("img")
    expect(pictures).to_have_count(2)
    page.wait_for_function(
        "[...document.querySelectorAll('.worst > li:first-child img')].every((i) => i.naturalWidth > 0)"
    )
    for picture, address in zip(pictures.all(), (worst["seam"]["own"], worst["seam"]["neighbour"]), strict=True):
        assert (picture.get_attribute("src") or "") == address
        assert picture.evaluate("(i) => [i.naturalWidth, i.naturalHeight]") == [
            worst["seam"]["width"],
            worst["seam"]["height"],
        ]
    own = np.asarray(Image.open(BytesIO(httpx.get(f"{stand.url}{worst['seam']['own']}").content)).convert("RGB"))
    assert own.shape == (worst["seam"]["height"], worst["seam"]["width"], 3)
    first.get_by_role("link", name="Show on the map").click()
    expect(page.locator("#coordinates")).to_have_text(f"x {worst['x'] + 512} y {worst['y'] + 384}")
