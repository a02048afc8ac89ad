"""Idempotency keys: the same request with the same key is the same execution."""

import hashlib

from imageflow_domain.texts import check_text

_KEY_CHARS = 200


def check_key(key: str) -> str:
    """Return a key that can be kept; raise `InvalidInput`."""
    return check_text(key, "The idempotency key", least=1, most=_KEY_CHARS)


def image_key(key: str, correlation: str) -> str:
    """Return the key of one image of a stream that has a key; raise `InvalidInput` for a wrong one.

    It is a digest, as headers take no letters beyond ASCII, and both texts together may be too long for a key.
    """
    return hashlib.sha256(f"{check_key(key)}/{correlation}".encode()).hexdigest()
