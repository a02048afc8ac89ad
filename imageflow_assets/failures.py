"""Where failures are explained: domain errors become `dg.Failure` with the next step in the text.

What may pass by itself (a store that is down, a game that died) is retried by the asset's retry policy; what cannot
(wrong input, a layer that is missing) fails at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from imageflow_domain.errors import CaptureError, GameMissing, ImageFlowError, Unavailable

RETRIES = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


@contextmanager
def explained() -> Iterator[None]:
    """Raise `dg.Failure` in place of a domain error, retried only where trying again can help."""
    try:
        yield
    except ImageFlowError as error:
        may_pass = isinstance(error, (Unavailable, CaptureError)) and not isinstance(error, GameMissing)
        raise dg.Failure(description=str(error), allow_retries=may_pass) from error
