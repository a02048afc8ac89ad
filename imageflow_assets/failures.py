"""Where failures are explained: domain errors become `dg.Failure` with the next step in the text.

What may pass by itself (a store that is down, a game that died) is tried again by one policy; what cannot (wrong input,
a layer that is missing) fails at once. The policy is applied here, not by Dagster: its own would repeat a step that a
person has cancelled, and would hide the last attempt's words behind "Exceeded max_retries".
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from imageflow_domain.errors import CaptureError, GameMissing, ImageFlowError, Unavailable

RETRIES = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


@contextmanager
def explained(retry_number: int = RETRIES.max_retries) -> Iterator[None]:
    """Raise `dg.Failure` in place of a domain error, or ask for another attempt where that can help.

    Args:
        retry_number: How many times the step was repeated already; by default there is no other attempt.
    """
    try:
        yield
    except ImageFlowError as error:
        may_pass = isinstance(error, (Unavailable, CaptureError)) and not isinstance(error, GameMissing)
        if may_pass and retry_number < RETRIES.max_retries:
            delay_s = RETRIES.calculate_delay(retry_number + 1)
            raise dg.RetryRequested(max_retries=RETRIES.max_retries, seconds_to_wait=delay_s) from error
        raise dg.Failure(description=str(error), allow_retries=False) from error
