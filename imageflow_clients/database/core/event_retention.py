"""How long events are kept: until they are old and every named reader has read them."""

import logging
from datetime import timedelta

from imageflow_clients.database.core import event_positions
from imageflow_clients.database.core.engine import Database

_LOG = logging.getLogger(__name__)

KEPT = timedelta(days=7)
"""How long a page or a reader may be away and go on where it was."""


def forget_read(database: Database, age: timedelta = KEPT) -> int:
    """Delete events that are older than `age` and that every reader has read.

    Returns:
        How many events the slowest reader has not read yet. None of them is deleted, whatever its age; the log says
        which reader that is.
    """
    stamped = event_positions.STAMPED_AT_ONCE
    while stamped == event_positions.STAMPED_AT_ONCE:  # events that come meanwhile are left to the next call
        with database.begin() as connection:
            stamped = event_positions.stamp(connection)
    with database.begin() as connection:
        event_positions.forget_old(connection, age)
        slowest = event_positions.slowest(connection)
    if slowest is None:
        return 0
    if slowest.behind:
        _LOG.info(
            "reader '%s' is %s events behind: they are kept until it has read them", slowest.reader, slowest.behind
        )
    return slowest.behind
