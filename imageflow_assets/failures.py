"""Where failures are explained: domain errors become `dg.Failure` with the next step in the text.

What may pass by itself (a store that is down, a game that died) is tried again by one policy; what cannot (wrong input,
a layer that is missing) fails at once. The policy is applied here, not by Dagster: its own would repeat a step that a
person has cancelled, and would hide the last attempt's words behind "Exceeded max_retries".
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from imageflow_domain.errors import (
    CaptureError,
    GameMissing,
    ImageFlowError,
    NoMap,
    PositionUnreachable,
    Unavailable,
)

ERROR = "error"
"""Metadata of a failed step: the name of the domain error's class, which determines the exit code of a command."""

PICTURE = "picture"
"""Metadata of a failed step: key of the object that shows what a game showed then."""

_ENDS_THE_SAME = (GameMissing, NoMap, PositionUnreachable)
"""Errors of captures that another attempt would meet again."""


@contextmanager
def explained(retry_number: int = 0, waits_s: Sequence[float] = ()) -> Iterator[None]:
    """Raise `dg.Failure` in place of a domain error, or request another attempt where that can help.

    Args:
        retry_number: How many times the step was repeated already.
        waits_s: Before each attempt after the first; none where there is no other attempt.
    """
    try:
        yield
    except ImageFlowError as error:
        may_pass = isinstance(error, (Unavailable, CaptureError)) and not isinstance(error, _ENDS_THE_SAME)
        if may_pass and retry_number < len(waits_s):
            raise dg.RetryRequested(max_retries=len(waits_s), seconds_to_wait=waits_s[retry_number]) from error
        kept_as = error.kept_as if isinstance(error, CaptureError) else None
        metadata = {ERROR: type(error).__name__, **({PICTURE: kept_as} if kept_as else {})}
        raise dg.Failure(description=str(error), metadata=metadata, allow_retries=False) from error
