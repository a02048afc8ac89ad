"""Pages of surveys from JPEG screenshots: they have a history, nothing has changed, and their accuracy is shown."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from imageflow_domain.geometry import Rect
from tests.browser.stand import JPEG, JPEG_LATER, MARKED, WATERMARK, Stand, pixels

pytestmark = pytest.mark.e2e


def test_two_surveys_of_jpeg_lie_under_one_divider_and_nothing_has_changed(look: Any, stand: Stand) -> None:
    bounds = stand.survey(JPEG).published().bounds
    x, y = bounds.x_px + bounds.width_px // 2, bounds.y_px + bounds.height_px // 2
    page = look(f"/history/openttd/jpeg#x={x}&y={y}&z=5")
    expect(page.locator(".side-name.left")).to_contain_text("1 ·")
    expect(page.locator(".side-name.right")).to_contain_text("2 ·")
    expect(page.get_by_text("nothing has changed")).to_be_visible(timeout=60_000)
    page.evaluate("document.querySelector('.leaflet-overlay-pane').style.display = 'none'")
    left, right = pixels(page, 400, 300, 120, 120), pixels(page, 1000, 300, 120, 120)
    assert min(left.std(), right.std()) > 5, "both sides show the map"


def test_both_surveys_show_the_same_place_at_the_same_place(stand: Stand) -> None:
    bounds = stand.survey(JPEG).published().bounds
    where = (bounds.x_px + 700, bounds.y_px + 700, 400, 300)
    before, after = stand.truth(JPEG, *where), stand.truth(JPEG_LATER, *where)
    moved = np.roll(after, 1, axis=1)
    assert np.abs(before - after).mean() < np.abs(before - moved).mean() / 2


def test_the_trust_page_tells_how_exact_it_is_and_what_lies_over_the_map(look: Any, stand: Stand) -> None:
    fidelity = stand.get(f"/api/v1/surveys/{MARKED}/trust")["fidelity"]
    page = look(f"/surveys/{MARKED}/trust")
    expect(page.locator(".fidelity")).to_have_text(
        "Lossy screenshots: placed to within half a pixel of their neighbours."
    )
    (overlay,) = fidelity["overlays"]
    rect = Rect.model_validate(overlay)
    assert rect.intersection(WATERMARK) is not None
    expect(page.locator(".share code")).to_have_text(f"--mask {rect}")
