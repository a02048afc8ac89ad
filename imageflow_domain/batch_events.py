"""Events of a batch: it waits, it is inspected or given up, and people give verdicts.

Each version of a batch is a subject of its own, as each has a row, results and verdicts of its own: those of a version
that was replaced do not mix with those of the one that replaced it, and ids are never used again.
"""

import re
from enum import StrEnum

from imageflow_domain.events import Event
from imageflow_domain.inspection import Batch, Verification

_PREFIX = "batch/"
_SUBJECT = re.compile(f"{_PREFIX}([0-9]{{1,18}})")


class Kind(StrEnum):
    """How a batch changed."""

    WAITING = "waiting"
    """It was closed, or is to be inspected again: it waits for its inspection."""
    INSPECTED = "inspected"
    """An inspection counts from now on."""
    GIVEN_UP = "given_up"
    """No run inspects it until another inspection is requested."""
    VERDICT = "verdict"
    """A person judged a picture, or one item of it."""


def subject_of(batch: int) -> str:
    """Return how the log calls a version of a batch, given its id."""
    return f"{_PREFIX}{batch}"


def batch_of(event: Event) -> int | None:
    """Return the id of the batch that an event is about; `None` for an event of any other subject."""
    found = _SUBJECT.fullmatch(event.subject)
    return None if found is None else int(found[1])


def waits(batch: Batch) -> Event:
    """Return the event of a batch that was closed, or is to be inspected again."""
    data = {"key": batch.key, "version": batch.version, "attempts": batch.attempts}
    return Event(subject=subject_of(batch.id), kind=Kind.WAITING, data=data)


def inspected(batch: int, inspection: int) -> Event:
    """Return the event of a batch for which another inspection counts, or the same one again."""
    return Event(subject=subject_of(batch), kind=Kind.INSPECTED, data={"inspection": inspection})


def given_up(batch: int, attempts: int) -> Event:
    """Return the event of a batch that was given up after so many runs."""
    return Event(subject=subject_of(batch), kind=Kind.GIVEN_UP, data={"attempts": attempts})


def verdict_given(batch: int, verification: Verification) -> Event:
    """Return the event of a person's verdict."""
    data = {
        "verification": verification.id,
        "inspection": verification.inspection_id,
        "place": verification.place,
        "item": verification.item,
        "verdict": verification.verdict,
    }
    return Event(subject=subject_of(batch), kind=Kind.VERDICT, data=data)
