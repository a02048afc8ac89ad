"""Every address is answered by one route, and stands in docs/api.md."""

import re
from collections import defaultdict
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from imageflow_gateway.app import describe_api
from imageflow_gateway.openapi import openapi

_PART = {"{": r"{[^}]*}", ".": r"\.(?:[a-z]+|{[^}]*})"}
"""How a page may write a part of an address that is filled in, by the part's first character."""

_PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_every_address_is_answered_by_one_route() -> None:
    assert _answered_twice(describe_api()) == {}, "give the newer route another address, or extend the older one"


def test_an_address_that_two_routes_answer_is_found() -> None:
    older, router, app = APIRouter(prefix="/areas"), APIRouter(), FastAPI()

    @older.get("/{survey}")
    def one(survey: str) -> str:
        return survey

    @router.get("/areas/{name}")
    def other(name: str) -> str:
        return name

    @router.delete("/areas/{name}")
    def remove(name: str) -> str:
        return name

    app.include_router(older)
    app.include_router(router)
    found = _answered_twice(app)
    assert {address: [name.rpartition(".")[2] for name in names] for address, names in found.items()} == {
        "GET /areas/{}": ["one", "other"]
    }


def test_the_page_names_every_address() -> None:
    page = _PAGE.read_text(encoding="utf-8")
    missing = [path for path in openapi()["paths"] if not _is_named(path, page)]
    assert not missing, f"docs/api.md has no line for {', '.join(missing)}: add one, with the address in full."


def test_an_address_that_the_page_does_not_name_is_found() -> None:
    page = "| `GET /api/v1/surveys/{id}/areas?x=` · `GET /tiles/{z}.webp` | |\n| `GET /masters/{product}/versions` | |"
    named = ("/api/v1/surveys/{survey}/areas", "/tiles/{z}.{picture}", "/api/v1/masters/{product}/versions")
    assert all(_is_named(path, page) for path in named)
    others = ("/api/v1/surveys/{survey}", "/api/v1/surveys/{survey}/areas/{row}", "/api/v1/versions")
    assert not any(_is_named(path, page) for path in others)


def _answered_twice(app: FastAPI) -> dict[str, list[str]]:
    """Return the functions of each address that has several, by method and address without the names of its parts."""
    found: dict[str, list[str]] = defaultdict(list)
    for route in iter_route_contexts(app.routes):
        if route.path is not None and route.endpoint is not None:
            for method in sorted(route.methods or ()):
                address = re.sub(r"{.*?}", "{}", route.path)
                found[f"{method} {address}"].append(f"{route.endpoint.__module__}.{route.endpoint.__name__}")
    return {address: names for address, names in found.items() if len(names) > 1}


def _is_named(path: str, page: str) -> bool:
    """Whether a page has an address in full: with other names of its parts, a picture's ending, or no prefix."""
    parts = re.split(r"(\.?{.*?})", path.removeprefix("/api/v1"))
    address = "".join(_PART[part[0]] if "{" in part else re.escape(part) for part in parts)
    return re.search(rf"(?:[ `]|/api|/api/v1){address}[`? ]", page) is not None
