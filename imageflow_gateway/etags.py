"""Conditional requests (RFC 9110, section 13.1.2), and checksums of what is answered (RFC 9530)."""

import base64
import re

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def quoted(opaque: str) -> str:
    """Return a strong entity tag."""
    return f'"{opaque}"'


def matches(if_none_match: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names `etag`; weakly compared, as the header asks for."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)


def content_digest(sha256: bytes) -> str:
    """Return the header Content-Digest of a body by its SHA-256, 32 bytes."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"
