"""Failures of the object store as messages for people, from the texts of stores and their libraries."""

import re
from typing import Literal

from imageflow_domain.errors import Conflict, ImageFlowError, InvalidInput, StoreUnavailable

Request = Literal["read", "write", "delete"]
"""The operation on an object; listing counts as reading."""

_STATUS = r"(?:status code: |\()"
"""What stands before an HTTP status; the same number may be a duration, a size or a port."""

# From the special to the general: the first that fits is said.
_SENTENCES = (
    (
        rf"os error (28|122)\b|No space left|StorageFull|{_STATUS}507\b|EntityTooLarge.*quota",
        "is full: free some space, then try again",
    ),
    (r"os error 27\b|File too large", "does not take so large a file: raise the limit of file sizes"),
    (r"os error 30\b|Read-only|read only", "is read-only: make it writable, or name another one"),
    (r"NoSuchBucket", "has no such bucket: create it"),
    (
        rf"Unauthenticated|SignatureDoesNotMatch|InvalidAccessKeyId|InvalidToken|ExpiredToken|{_STATUS}401\b"
        r"|Unable to locate credentials|Missing .*(?:credential|AccessKey)",
        "refuses our keys: correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    (
        rf"os error (1|13)\b|Permission ?denied|AccessDenied|{_STATUS}403\b",
        "does not let this account {request} '{key}': give the account the right to {request}, "
        "or correct the bucket's name",
    ),
    (r"builder error|URL scheme is not allowed", "is reached over http only when AWS_ALLOW_HTTP=true"),
    (
        r"error sending request|connect|dns|\btimed out|ReadTimeout",
        "does not answer: start it, or correct AWS_ENDPOINT_URL",
    ),
    (rf"{_STATUS}50\d\b|InternalError|Internal Error", "fails with '{key}' and does not say why: its own log may"),
)


def explain(label: str, key: str, error: BaseException, *, request: Request = "read") -> ImageFlowError:
    """Return our error for one of a store; `key` is what the request was about."""
    if isinstance(error, TimeoutError):
        return StoreUnavailable(
            f"The object store, {label}, did not answer in time: start it, correct AWS_ENDPOINT_URL, "
            "or raise IMAGEFLOW_STORE_DEADLINE_S."
        )
    said = str(error)
    if re.search(r"(os error |Errno )(17|20|21)\b", said):
        return Conflict(f"In {label}, '{key}' would be a file and a folder at once: choose another name.")
    if re.search(r"os error 36\b|name too long", said):
        return InvalidInput(f"A part of '{key}' is too long for {label}: choose a shorter name.")
    for pattern, sentence in _SENTENCES:
        if re.search(pattern, said, re.IGNORECASE):
            filled = sentence.replace("{request}", request).replace("{key}", key)
            return StoreUnavailable(f"The object store, {label}, {filled}.")
    first = said.strip().partition("\n")[0]
    return StoreUnavailable(f"The object store, {label}, failed on '{key}': {first}.")
