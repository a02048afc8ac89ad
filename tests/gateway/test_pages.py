"""The pages' document and files: which addresses give it, and what it may load."""

import re
from pathlib import Path
from typing import Any

import pytest

from imageflow_gateway.app import create_app
from imageflow_gateway.openapi import openapi
from imageflow_gateway.pages import documents as pages

PAGES = [
    "/",
    "/maps",
    "/maps/city-first-0001",
    "/surveys",
    "/surveys/new",
    "/surveys/city-first-0001/trust",
    "/history",
    "/history/city/first",
]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pages as the build leaves them, in a folder of their own."""
    app = tmp_path / "app"
    (app / "assets").mkdir(parents=True)
    (app / "index.html").write_text('<meta name="csp-nonce" content="__CSP_NONCE__"><title>ImageFlow</title>')
    (app / "assets" / "index-1a2b3c4d.js").write_text("export {};")
    monkeypatch.setattr(pages, "STATIC", tmp_path)
    monkeypatch.setattr(pages, "_DOCUMENT", app / "index.html")
    return tmp_path


@pytest.fixture
def page(built: Path, settings: Any, stores: Any, ask: Any) -> Any:
    with ask(create_app(settings, stores), port=settings.gateway_port) as client:
        yield client


@pytest.mark.parametrize("address", PAGES)
def test_every_page_s_address_gives_the_document(page: Any, address: str) -> None:
    answer = page.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<title>ImageFlow</title>" in answer.text
    assert answer.headers["cache-control"] == "no-cache"


def test_styles_bear_a_nonce_that_is_fresh_each_time_and_nothing_else_is_let_in(page: Any) -> None:
    seen = set()
    for _ in range(2):
        answer = page.get("/")
        (nonce,) = re.findall(r'content="([^"]+)"', answer.text)
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["style-src"] == f"'self' 'nonce-{nonce}'"
        assert (policy["script-src"], policy["default-src"], policy["connect-src"]) == ("'self'", "'none'", "'self'")
        assert policy["frame-ancestors"] == "'none'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        seen.add(nonce)
    assert len(seen) == 2
    assert "nonce" not in page.get("/api/v1/surveys").headers["content-security-policy"]


def test_files_named_by_their_digest_are_cached_for_ever_and_others_are_not(page: Any) -> None:
    hashed = page.get("/static/app/assets/index-1a2b3c4d.js")
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert hashed.headers["x-content-type-options"] == "nosniff"
    assert page.get("/static/app/index.html").headers["cache-control"] == "no-cache"
    again = page.get("/static/app/assets/index-1a2b3c4d.js", headers={"if-none-match": hashed.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "address",
    ["/nowhere", "/static/nothing.js", "/static/app/assets/", "/static/../pyproject.toml", "/static/%2e%2e/app.py"],
)
def test_other_addresses_give_no_document(page: Any, address: str) -> None:
    answer = page.get(address)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


def test_pages_that_were_not_built_say_how_to_build_them(page: Any, built: Path) -> None:
    (built / "app" / "index.html").unlink()
    answer = page.get("/")
    assert (answer.status_code, "make webui" in answer.json()["error"]["message"]) == (503, True)


def test_the_api_describes_itself_without_a_store() -> None:
    told = openapi()
    names = [operation["operationId"] for path in told["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert {"ProgressEvent", "TroubleEvent", "AreaColumns", "LineageFacts"} <= told["components"]["schemas"].keys()


def test_a_reference_that_is_not_built_names_the_command(
    page: Any, monkeypatch: pytest.MonkeyPatch, built: Path
) -> None:
    monkeypatch.setattr(pages, "_REFERENCE", built / "app" / "reference" / "index.html")
    answer = page.get("/docs")
    assert answer.status_code == 503
    assert "make webui" in answer.json()["error"]["message"]
