"""Places of a process for clients that stay: taken at once, or refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from anyio import CapacityLimiter, WouldBlock

from imageflow_domain.errors import TooManyRequests


@contextmanager
def placed(places: CapacityLimiter, refusal: str) -> Iterator[None]:
    """Take one of the places at once while the body runs; raise `TooManyRequests` where none is free.

    Args:
        places: Those of a process.
        refusal: What the client reads then; `{}` in it is how many places there are.
    """
    place = object()
    try:
        places.acquire_on_behalf_of_nowait(place)
    except WouldBlock:
        raise TooManyRequests(refusal.format(int(places.total_tokens))) from None
    try:
        yield
    finally:
        places.release_on_behalf_of(place)
