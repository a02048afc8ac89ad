"""The interactive API reference, whose scripts the gateway serves itself."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.stand import Stand
from tests.e2e.stack import HTTP


def test_the_reference_lists_every_route_and_tries_one(look: OpenPage, stand: Stand) -> None:
    described = HTTP.get(f"{stand.url}/openapi.json").json()["paths"]
    page = look("/docs")
    page.wait_for_selector(".opblock")
    assert page.locator(".opblock").count() == sum(len(methods) for methods in described.values())
    page.locator(".opblock", has_text="The gateway lives").locator(".opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute", exact=True).click()
    expect(page.locator(".live-responses-table")).to_contain_text('"status": "ok"')
