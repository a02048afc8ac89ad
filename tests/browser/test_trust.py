"""The trust page: shares, findings, distributions, and the least sure screenshots beside what they should continue."""

import re
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.stand import SHORE, Stand
from tests.e2e.stack import HTTP

pytestmark = pytest.mark.e2e


def test_the_page_tells_what_the_survey_is_worth(look: Any, stand: Stand) -> None:
    trust = stand.get(f"/api/v1/surveys/{SHORE}/trust")
    page = look(f"/surveys/{SHORE}/trust")
    share = page.locator(".share")
    expect(share.locator("b")).to_have_text(f"{trust['anchored_share']:.0%}")
    expect(share).to_contain_text(f"Anchored {trust['anchored']}")
    expect(share).to_contain_text(f"Ambiguous {trust['ambiguous']}")
    found = {finding["name"]: finding for finding in trust["findings"]}
    for name, words in (
        ("loops_close", f"{found['loops_close']['offsets']} verified offsets"),
        ("shots_placed", f"{trust['screenshots']} screenshots"),
        ("decisive_offsets_kept", "verified offset"),
        ("mostly_anchored", f"of {trust['screenshots']} screenshots are anchored; 90% are wanted."),
        ("one_group", "of screenshots"),
        ("positions_hold", "searched for"),
    ):
        entry = page.locator(f".finding[data-name={name}]")
        expect(entry).to_contain_text(words)
        expect(entry.locator(".badge.done")).to_have_count(1 if found[name]["holds"] else 0)
    entry = page.locator(".finding[data-name=mostly_anchored]")
    entry.get_by_role("button").click()
    worst = found["mostly_anchored"]["offenders"][0]
    row, col, sure = worst["area"]["row"], worst["area"]["col"], worst["confidence"]
    expect(entry).to_contain_text(f"Row {row}, column {col}: Ambiguous, {sure:.0%} sure")
    expect(page.get_by_text(f"{trust['loops']['closed']} of {trust['loops']['closed']} loops close.")).to_be_visible()
    mean = f"{min(trust['seams']['mean_agreement'], 0.9999):.2%}"
    expect(page.locator(".card", has_text="Seam agreement")).to_contain_text(f"{mean} on average")


def test_a_japanese_page_tells_its_findings_in_japanese(look: Any) -> None:
    page = look(f"/surveys/{SHORE}/trust", locale="ja-JP")
    findings = page.locator(".findings")
    expect(findings).to_contain_text("確定しています（目標 90%）。")
    for button in findings.get_by_role("button").all():
        button.click()
    assert re.findall("[A-Za-z]{3,}", findings.inner_text()) == []


def test_the_worst_shots_stand_beside_what_their_neighbour_shows(look: Any, stand: Stand) -> None:
    worst = stand.get(f"/api/v1/surveys/{SHORE}/trust")["worst"][0]
    page = look(f"/surveys/{SHORE}/trust", height=1400)
    first = page.locator(".worst > li").first
    expect(first).to_contain_text(f"Row {worst['row']}, column {worst['col']}")
    pictures = first.locator("img")
    expect(pictures).to_have_count(2)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.worst > li:first-child img')].every((i) => i.naturalWidth > 0)"
    )
    for picture, address in zip(pictures.all(), (worst["seam"]["own"], worst["seam"]["neighbour"]), strict=True):
        assert (picture.get_attribute("src") or "") == address
        assert picture.evaluate("(i) => [i.naturalWidth, i.naturalHeight]") == [
            worst["seam"]["width"],
            worst["seam"]["height"],
        ]
    own = np.asarray(Image.open(BytesIO(HTTP.get(f"{stand.url}{worst['seam']['own']}").content)).convert("RGB"))
    assert own.shape == (worst["seam"]["height"], worst["seam"]["width"], 3)
    first.get_by_role("link", name="Show on the map").click()
    expect(page.locator("#coordinates")).to_have_text(f"x {worst['x'] + 512} y {worst['y'] + 384}")
