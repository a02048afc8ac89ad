"""The web pages: one document for all of them, whose script reads the address, and the files that it loads."""

import os
import secrets
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope
from typing_extensions import override

from imageflow_domain.errors import Unavailable
from imageflow_gateway.edge import content_security_policy

STATIC: Final = Path(__file__).parent.parent / "static"
_DOCUMENT = STATIC / "app" / "index.html"
_REFERENCE = STATIC / "app" / "reference" / "index.html"
_NONCE = "__CSP_NONCE__"

_HASHED = "app/assets/"
"""Where the build puts files whose names hold a digest of what is in them."""

_FOREVER = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


class PageFiles(StaticFiles):
    """Files of the pages; those named by their digest never change."""

    @override
    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        if self.get_path(scope).replace(os.sep, "/").startswith(_HASHED):
            response.headers["cache-control"] = _FOREVER
        return response


@router.get("/")
@router.get("/maps")
@router.get("/maps/{address:path}")
@router.get("/surveys")
@router.get("/surveys/{address:path}")
@router.get("/history")
@router.get("/history/{address:path}")
def read_page() -> Response:
    """The document carries a nonce, fresh each time, for the styles that its script adds."""
    nonce = secrets.token_urlsafe(16)
    return Response(
        _read(_DOCUMENT).replace(_NONCE, nonce),
        media_type="text/html",
        headers={"content-security-policy": content_security_policy(nonce), "cache-control": "no-cache"},
    )


@router.get("/docs")
def read_reference() -> Response:
    """The API reference, in which each route can be tried."""
    return Response(_read(_REFERENCE), media_type="text/html", headers={"cache-control": "no-cache"})


def _read(document: Path) -> str:
    try:
        return document.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Unavailable("The web pages are not built: run `make webui`, then load this one again.") from error
