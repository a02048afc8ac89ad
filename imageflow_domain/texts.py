"""Text that every store keeps as it is: PostgreSQL takes no NUL, and UTF-8 no half of a surrogate pair."""

from collections.abc import Iterator, Mapping
from typing import Any

from imageflow_domain.errors import InvalidInput


def is_storable(text: str) -> bool:
    """Whether a database keeps `text`."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def storable(text: str) -> str:
    """Return `text` as a database keeps it: without NUL, and with `?` for halves of surrogate pairs."""
    return text.replace("\0", "").encode(errors="replace").decode()


def texts_in(data: Any) -> Iterator[str]:
    """Yield every text of plain data, keys included."""
    match data:
        case str():
            yield data
        case list() | tuple():
            for each in data:
                yield from texts_in(each)
        case Mapping():
            for key, each in data.items():
                yield key
                yield from texts_in(each)


def check_text(text: str, what: str, *, least: int = 0, most: int) -> str:
    """Return `text` if it has so many characters and can be kept; raise `InvalidInput` that names it `what`."""
    if not least <= len(text) <= most:
        bounds = f"{least} to {most:,}" if least else f"at most {most:,}"
        raise InvalidInput(f"{what} has {bounds} characters, not {len(text):,}.")
    if not is_storable(text):
        raise InvalidInput(f"{what} holds signs that are no text: leave them out.")
    return text
