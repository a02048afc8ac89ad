"""How pages show surveys that stand in some way: not published, in part, running, of many blocks. No Dagster is up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.maps import attempts, leases
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps.leases import Lease
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.survey import Layer, SurveyState
from tests.browser.accessibility import violations
from tests.browser.stand import Gateway
from tests.surveys.cities import city, cut, planned, published
from tests.surveys.states import completed, in_state

pytestmark = pytest.mark.e2e

WHY = "2 loops of neighbouring offsets do not close."
NEXT = "IMAGEFLOW_PUBLISH_DESPITE_ERRORS"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("standing") / "home")
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def stores(gateway: Gateway) -> Iterator[Stores]:
    opened = open_stores(Settings(home=Path(gateway.cli.home)))
    yield opened
    opened.database.close()


def test_a_map_that_is_not_published_says_why_on_every_page(look: Any, gateway: Gateway, stores: Stores) -> None:
    survey = cut(stores, city("withheld", grid="2x2"))
    with stores.database.begin() as connection:
        rows.withhold(connection, survey, 9, WHY)
    completed(stores, survey)

    page = look(f"{gateway.url}/surveys")
    row = page.locator(".survey-row", has_text="withheld")
    for words in ("Complete", "Not published", f"Not published: {WHY}", NEXT):
        expect(row).to_contain_text(words)
    expect(row.get_by_role("link", name="Open the map")).to_have_count(0)
    row.get_by_role("link", name="city").click()
    note = page.locator(".alert", has_text=f"Not published: {WHY}")
    expect(note).to_contain_text(NEXT)
    expect(page.locator(".page-head .badge.warn")).to_have_text("Not published")
    assert violations(page) == []
    page.get_by_role("link", name="Trust").click()
    expect(page.locator(".alert")).to_contain_text(f"Not published: {WHY}")
    expect(page.get_by_role("link", name="Open the map")).to_have_count(0)

    on_map = look(f"{gateway.url}/maps/{survey.id}")
    middle = on_map.locator(".middle")
    expect(middle).to_contain_text(f"Not published: {WHY}")
    expect(middle).to_contain_text(NEXT)
    middle.get_by_role("link", name="See how far it can be trusted").click()
    on_map.wait_for_url(f"{gateway.url}/surveys/{survey.id}/trust")


def test_the_map_page_stays_at_the_survey_before_one_that_is_not_published(
    look: Any, gateway: Gateway, stores: Stores
) -> None:
    shown = published(stores, city("stays", grid="2x2"))
    completed(stores, shown)
    withheld = cut(stores, city("stays", grid="2x2"))
    with stores.database.begin() as connection:
        rows.withhold(connection, withheld, 9, WHY)
    completed(stores, withheld)
    page = look(gateway.url)
    expect(page.locator(".picker-button")).to_contain_text("city · stays · 1")
    page.locator(".picker-button").click()
    expect(page.locator(".entry", has_text="city · stays · 2")).to_contain_text("Not published")


def test_a_survey_that_was_made_in_part_says_what_comes_next(look: Any, gateway: Gateway, stores: Stores) -> None:
    survey = planned(stores, city("in_part"))
    reason = "Made so far: screenshots. Materialise pair_offsets next."
    with stores.database.begin() as connection:
        rows.set_state(connection, survey.id, SurveyState.PLANNED, reason)
    expect(look(f"{gateway.url}/surveys").locator(".survey-row", has_text="in_part")).to_contain_text(reason)
    expect(look(f"{gateway.url}/surveys/{survey.id}").locator(".alert.quiet", has_text=reason)).to_be_visible()
    expect(look(f"{gateway.url}/maps/{survey.id}").locator(".middle")).to_contain_text(reason)


def test_what_runs_is_shown_with_its_run_though_dagster_is_down(look: Any, gateway: Gateway, stores: Stores) -> None:
    survey = planned(stores, city("runs", grid="4x4", block_side=2))
    first, second, *_ = survey.blocks()
    in_state(stores, survey, SurveyState.RUNNING)
    lease = Lease(survey_id=survey.id, run_id="0193fa11-7", root_run_id="r", again=False, reopened=(), done_before=0)
    with stores.database.begin() as connection:
        leases.take(connection, lease)
        heartbeats.beat(connection, lease.run_id, survey.id)
        for block in (first, second):
            attempts.begin(connection, survey.id, Layer.SCREENSHOTS, block, lease.run_id)
        attempts.fail(connection, survey.id, Layer.SCREENSHOTS, second, lease.run_id, "The game died.")
    page = look(f"{gateway.url}/surveys/{survey.id}")
    expect(page.locator("#told-by")).to_have_text("Live")
    expect(page.locator(f".heat button[data-key={first.key}]")).to_have_attribute("data-stand", "running")
    expect(page.locator(f".heat button[data-key={second.key}]")).to_have_attribute("data-stand", "failed")
    run = page.locator(".stage[data-layer=screenshots]").get_by_role("link", name="Run 0193fa11")
    assert str(run.get_attribute("href")).endswith("/runs/0193fa11-7")
    failed = page.locator(".card", has=page.get_by_role("heading", name="1 block failed"))
    expect(failed).to_contain_text("The game died.")
    page.locator(f".heat button[data-key={first.key}]").click()
    expect(page.locator(".block-facts").first).to_contain_text(f"Block {first.key}")
    in_state(stores, survey, SurveyState.FAILED, "Given up.")
    expect(page.locator(".page-head .badge")).to_have_text("Failed")
    expect(page.locator(".heat button[data-stand=failed]")).to_have_count(2)


def test_a_row_of_a_hundred_blocks_scrolls_within_its_card(look: Any, gateway: Gateway, stores: Stores) -> None:
    survey = planned(stores, city("long", grid="1000x10"))
    page = look(f"{gateway.url}/surveys/{survey.id}")
    squares = page.locator(".heat button")
    expect(squares).to_have_count(100)
    box = squares.first.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 10
    frame = page.locator(".heat-frame").evaluate("(one) => [one.clientWidth, one.scrollWidth]")
    assert frame[0] < frame[1]
    assert page.evaluate("document.body.scrollWidth <= window.innerWidth")
    squares.last.click()
    expect(page.locator(".block-facts")).to_contain_text("Block r00c99")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".block-facts")).to_contain_text("Block r00c98")
    assert violations(page) == []
