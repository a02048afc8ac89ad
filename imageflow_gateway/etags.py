"""Conditional requests (RFC 9110, section 13.1.2)."""

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
