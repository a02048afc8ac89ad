"""No request body is read beyond its limit, whether it states its length or not."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imageflow_domain.errors import TooLarge
from imageflow_gateway.errors import domain_response


class BodyLimit:
    """Answers 413 by Content-Length before the body is read, and else as soon as too much has come."""

    def __init__(self, app: ASGIApp, *, limit_bytes: int, paths: Mapping[str, int]) -> None:
        """Remember the limits.

        Args:
            limit_bytes: For every path that has no other.
            paths: Limits of these paths alone; of one that ends with a slash, of all below it.
        """
        self._app = app
        self._limit_bytes = limit_bytes
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        stated = Headers(scope=scope).get("content-length", "0")
        text = f"The body is larger than the {limit:,} bytes that are taken here: send less at once."
        if not stated.isascii() or not stated.isdigit() or int(stated[:20]) > limit:
            await domain_response(TooLarge(text))(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                # FastAPI reads JSON bodies under a net that lets no other class through.
                raise HTTPException(413, text)
            return message

        await self._app(scope, counted, send)

    def _limit_of(self, path: str) -> int:
        below = (limit for folder, limit in self._paths.items() if folder.endswith("/") and path.startswith(folder))
        return self._paths.get(path) or next(below, self._limit_bytes)
