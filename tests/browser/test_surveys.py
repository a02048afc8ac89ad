"""The surveys' pages: the list, the form, progress as it happens, and what one can do about it."""

import json
import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.accessibility import violations
from tests.browser.stand import EXAMPLE_SURVEY, LONG_MS, TORN, Stand, pixels
from tests.e2e.stack import HTTP

pytestmark = pytest.mark.e2e


def test_the_list_tells_every_survey_and_finds_some(look: Any) -> None:
    page = look("/surveys")
    row = page.locator(".survey-row", has_text="openttd · example · 1")
    expect(row).to_contain_text("Complete")
    expect(row).to_contain_text("36 areas, 6 × 6")
    expect(row).to_contain_text("127 tiles")
    expect(row).to_contain_text(re.compile(r"took \d+"))
    page.wait_for_function("() => document.querySelector('.survey-row img').naturalWidth > 0")
    row.get_by_role("link", name="Open the map").click()
    page.wait_for_url(re.compile(f"/maps/{EXAMPLE_SURVEY}"))
    page.goto(page.url.split("/maps")[0] + "/surveys")
    page.get_by_role("combobox", name="State", exact=True).click()
    page.get_by_role("option", name="Cancelled").click()
    expect(page.get_by_role("heading", name="No survey is like this.")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(row).to_be_visible()


def test_a_survey_is_started_watched_live_cancelled_and_gone_on_with(look: Any, stand: Stand) -> None:
    page = look("/surveys/new", motion="reduce")
    page.get_by_role("combobox", name="Game", exact=True).click()
    page.get_by_role("option", name="A city that is surveyed while one watches").click()
    page.get_by_label("Save", exact=True).fill("Wrong name")
    expect(page.get_by_text("1 to 64 lower-case letters, digits or _.")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    page.get_by_label("Save", exact=True).fill("watched")
    expect(page.get_by_text("144 areas in 4 blocks")).to_be_visible()
    page.get_by_text("Parameters of the driver").click()
    page.get_by_label("Water").fill("2")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    page.get_by_label("Water").fill("0")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile("/surveys/live_city-watched-0001"), timeout=LONG_MS)

    expect(page.locator("#told-by")).to_have_text("Live", timeout=LONG_MS)
    squares = page.locator(".heat button")
    expect(squares).to_have_count(4)
    expect(page.locator(".heat button:not([data-stand=missing])").first).to_be_visible(timeout=LONG_MS)
    squares.first.click()
    facts = page.locator(".block-facts")
    expect(facts).to_contain_text("Block r00c00")
    expect(facts.get_by_role("link", name="Run").first).to_have_attribute("href", re.compile(r"/runs/[0-9a-f-]{36}"))
    in_dagster = page.locator(".card", has=page.get_by_role("heading", name="In Dagster"))
    partition = in_dagster.get_by_role("link", name="Partition").first.get_attribute("href")
    assert partition is not None
    assert partition.endswith("/assets/screenshots?view=partitions&partition=live_city-watched-0001")
    assert HTTP.get(partition, timeout=60).status_code == 200
    page.keyboard.press("ArrowRight")
    expect(facts).to_contain_text("Block r00c01")

    asking = look("/surveys", motion="reduce")
    asking.route("**/events", lambda route: route.abort())
    asking.locator(".survey-row", has_text="watched").get_by_role("link", name="live_city").click()
    expect(asking.locator("#told-by")).to_have_text("Asking every 3 s", timeout=LONG_MS)
    expect(asking.locator(".heat button")).to_have_count(4)

    page.get_by_role("button", name="Cancel").click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_contain_text("What was made stays")
    assert violations(page) == []
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator(".page-head .badge")).to_have_text("Cancelled", timeout=LONG_MS)
    expect(asking.locator(".page-head .badge")).to_have_text("Cancelled", timeout=LONG_MS)
    waiting = look("/maps/live_city-watched-0001", motion="reduce")
    expect(waiting.get_by_role("heading", name="live_city · watched · 1")).to_be_visible()

    # another person's page, which has seen the end, sees it go on
    other = look("/surveys/live_city-watched-0001", motion="reduce")
    expect(other.locator("#told-by")).to_have_text("Ended", timeout=LONG_MS)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#told-by")).to_have_text("Live", timeout=LONG_MS)
    expect(other.locator("#told-by")).to_have_text("Live", timeout=LONG_MS)
    page.context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer", timeout=LONG_MS)
    page.context.set_offline(False)
    expect(page.get_by_role("alert")).to_have_count(0, timeout=LONG_MS)
    expect(page.locator(".page-head .badge")).to_have_text("Complete", timeout=LONG_MS)
    expect(page.locator("#percent")).to_have_text("100 %")
    expect(page.locator(".heat button[data-stand=done]")).to_have_count(4)
    for watcher in (other, asking):
        expect(watcher.locator(".page-head .badge")).to_have_text("Complete", timeout=LONG_MS)
        expect(watcher.locator("#told-by")).to_have_text("Ended", timeout=LONG_MS)
    # the page that waited for the map has it by itself, and it is the survey's own
    expect(waiting.locator(".middle")).to_have_count(0, timeout=20_000)
    bounds = stand.survey("live_city-watched-0001").published().bounds
    x, y = bounds.x_px + bounds.width_px // 2, bounds.y_px + bounds.height_px // 2
    native = stand.survey("live_city-watched-0001").published().frame.native_zoom
    waiting.evaluate(f"window.location.hash = '#x={x}&y={y}&z={native}'")
    waiting.wait_for_timeout(800)
    truth = stand.truth("live_city-watched-0001", x - 100, y - 100, 200, 200)
    assert np.array_equal(pixels(waiting, 500, 300, 200, 200), truth)

    # its screenshots can be taken again, and so were not kept
    waiting.get_by_role("toolbar").get_by_role("button", name="What was this made from?").click()
    waiting.mouse.click(600, 400)
    expect(waiting.locator(".panel")).to_contain_text("The picture was deleted: no tile needs it any more.")

    # the form shows where the next one would lie
    page.goto(f"{stand.url}/surveys/new")
    page.get_by_role("combobox", name="Game", exact=True).click()
    page.get_by_role("option", name="A city that is surveyed while one watches").click()
    expect(page.locator(".preview-map canvas")).to_be_visible()
    assert min(_grid_on_screen(page)[2:]) > 100


def test_another_centre_moves_the_grid_that_is_drawn_over_the_latest_map(look: Any) -> None:
    page = look("/surveys/new")
    page.get_by_role("combobox", name="Game", exact=True).click()
    page.get_by_role("option", name="OpenTTD, a live game of its own making").click()
    page.get_by_label("Save", exact=True).fill("example")
    page.get_by_label("Rows").fill("2")
    page.get_by_label("Columns").fill("2")
    page.get_by_text("Parameters of the driver").click()
    boxes = []
    for centre in ("50, 130", "30, 130"):
        with page.expect_response(lambda told, centre=centre: _asks_for(told, centre)):
            page.get_by_label("Centre", exact=True).fill(centre)
        page.wait_for_timeout(500)
        boxes.append(_grid_on_screen(page))
    expect(page.get_by_text("4 areas in 1 block")).to_be_visible()
    (left, top, width, height), (new_left, new_top, _, _) = boxes
    # twenty tiles along x: 640 px to the right and 320 up, of a grid that is 1856 px wide and 1376 high
    assert (new_left - left) / width == pytest.approx(640 / 1856, abs=0.02)
    assert (new_top - top) / height == pytest.approx(-320 / 1376, abs=0.02)

    # a grid that is many times larger than the map leaves it in sight
    page.get_by_label("Rows").fill("90")
    expect(page.get_by_text(re.compile("areas in 9 blocks"))).to_be_visible()
    expect(page.locator(".preview-map .leaflet-tile-loaded").first).to_be_visible()

    page.get_by_label("Centre", exact=True).fill("2, 2")
    expect(page.locator(".preview")).to_contain_text("areas of the grid lie beyond the game's map and are left out.")
    page.get_by_label("Centre", exact=True).fill("4000, 4000")
    expect(page.locator(".preview")).to_contain_text("choose another centre")


def _asks_for(told: Response, centre: str) -> bool:
    wanted = [int(part) for part in centre.split(",")]
    asked = json.loads(told.request.post_data or "{}") if told.url.endswith("/plan") else {}
    return bool(asked.get("parameters", {}).get("centre") == wanted)


def _grid_on_screen(page: Page) -> tuple[int, int, int, int]:
    """Return left, top, width and height of what is drawn in the grid's yellow."""
    box = page.locator(".preview-map").bounding_box()
    assert box is not None
    shown = pixels(page, box["x"], box["y"], box["width"], box["height"])
    yellow = np.abs(shown - [0xFF, 0xD4, 0x3B]).max(axis=2) < 12
    down, across = np.flatnonzero(yellow.any(axis=1)), np.flatnonzero(yellow.any(axis=0))
    return int(across[0]), int(down[0]), int(across[-1] - across[0]), int(down[-1] - down[0])


def test_a_failed_block_tells_its_reason_and_leads_to_its_run(look: Any, stand: Stand) -> None:
    page = look(f"/surveys/{TORN}")
    expect(page.locator(".page-head .badge")).to_have_text("Failed", timeout=LONG_MS)
    expect(page.locator(".heat button[data-stand=failed]")).to_have_count(1)
    failed = page.locator(".card", has=page.get_by_role("heading", name="1 block failed"))
    expect(failed).to_contain_text("r01_c01.png")
    expect(failed.get_by_role("link", name="Run").first).to_have_attribute("href", re.compile(r"/runs/[0-9a-f-]{36}"))
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    expect(look("/surveys").locator(".survey-row", has_text="torn")).to_contain_text("r01_c01.png")
    expect(look(f"/maps/{TORN}").locator(".middle")).to_contain_text("r01_c01.png")


def test_without_pushed_events_the_page_asks(look: Any) -> None:
    page = look("/surveys")
    page.route("**/events", lambda route: route.abort())
    page.locator(".survey-row", has_text="openttd · example · 1").get_by_role("link", name="openttd").click()
    expect(page.locator("#told-by")).to_have_text("Ended", timeout=30_000)
    expect(page.locator(".heat button[data-stand=done]")).to_have_count(1)


def test_links_lead_into_dagster(look: Any) -> None:
    page = look(f"/surveys/{EXAMPLE_SURVEY}")
    page.locator(".heat button").first.click()
    run = page.locator(".block-facts").get_by_role("link", name="Run").first
    with page.context.expect_page() as opened:
        run.click()
    dagster = opened.value
    expect(dagster.get_by_text("Success").first).to_be_visible(timeout=60_000)
    assert "/runs/" in dagster.url


def test_a_survey_that_was_deleted(look: Any) -> None:
    for address in ("/surveys/openttd-gone-0001", "/surveys/openttd-gone-0001/trust"):
        page = look(address)
        expect(page.get_by_role("heading", name="There is no such survey")).to_be_visible()
        page.get_by_role("link", name="See all surveys").click()
        expect(page.get_by_role("heading", name="Surveys")).to_be_visible()
