"""Addresses of earlier versions: requests to them are answered as those to the addresses under /api/v1."""

import re
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEPT = ("jobs",)
"""Nouns whose address below /api stays: other programs start and follow surveys there."""

_DEPRECATED = ("surveys", "saves", "games", "drivers", "uploads")
"""Nouns whose address below /api is answered until the next minor version."""

_SINCE = "@1795910400"
"""The day, as RFC 9745 writes it, on which they moved: 2026-11-29."""

_OLD = re.compile(rf"/api/({'|'.join((*_KEPT, *_DEPRECATED))})(?=/|$)")


class Aliases:
    """Answers old addresses, and names the new address of those that are deprecated."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass requests on under today's address; answers at addresses that will go name it in `Link`."""
        found = _OLD.match(scope["path"]) if scope["type"] in {"http", "websocket"} else None
        if found is None:
            await self._app(scope, receive, send)
            return
        moved = {**scope, "path": _moved(scope["path"])}
        if "raw_path" in scope and scope["raw_path"] is not None:
            moved["raw_path"] = _moved(scope["raw_path"].decode("latin-1")).encode("latin-1")
        if found[1] in _KEPT:
            await self._app(moved, receive, send)
            return

        async def saying_so(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["deprecation"] = _SINCE
                headers.append("link", f'<{quote(moved["path"])}>; rel="successor-version"')
            await send(message)

        await self._app(moved, receive, saying_so)


def _moved(path: str) -> str:
    return path.replace("/api/", "/api/v1/", 1)
