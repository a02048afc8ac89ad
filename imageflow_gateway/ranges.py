"""Ranges of bytes (RFC 9110, section 14)."""

import re
from collections.abc import Mapping

from fastapi import Response

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def ranged(data: bytes, wanted: str | None, *, media_type: str, headers: Mapping[str, str]) -> Response:
    """Return the answer of a GET with the header `Range`: all of it, one range (206), or 416.

    A header of another form, such as one of several ranges, is answered with all of it, as the standard allows.
    """
    own = {**headers, "accept-ranges": "bytes"}
    found = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if found is None or not (found[1] or found[2]):
        return Response(data, media_type=media_type, headers=own)
    size = len(data)
    if found[1]:
        begin, end = int(found[1]), min(int(found[2] or size - 1), size - 1)
    else:
        begin, end = max(size - int(found[2]), 0), size - 1
    if begin > end:
        return Response(status_code=416, headers={**own, "content-range": f"bytes */{size}"})
    own |= {"content-range": f"bytes {begin}-{end}/{size}"}
    own.pop("content-digest", None)  # it is that of all of it
    return Response(data[begin : end + 1], status_code=206, media_type=media_type, headers=own)
