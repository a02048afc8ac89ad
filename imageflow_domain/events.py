"""What happened to a subject, as the event log keeps it: business changes, reported once, in order."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from imageflow_domain.errors import InvalidInput

MOST_BYTES = 2_000
"""Of an event's data, as JSON."""

_SUBJECT = re.compile(r"[a-z]{1,20}/[a-z0-9_/-]{1,200}")
_KIND = re.compile(r"[a-z_]{1,40}")
_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


@dataclass(frozen=True, kw_only=True)
class Event:
    """A change of one subject. Checked when it is logged, not when it is read: a newer version may log other forms."""

    subject: str
    """What changed, e.g. `survey/city-home-0001`."""
    kind: str
    """How it changed, e.g. `block`."""
    data: Mapping[str, object] = field(default_factory=dict)
    """JSON of `MOST_BYTES` at most: what readers need to know without another look at the subject."""

    def check(self) -> None:
        """Raise `InvalidInput` for a subject or a kind of another form, and for data above `MOST_BYTES`."""
        if not _SUBJECT.fullmatch(self.subject) or not _KIND.fullmatch(self.kind):
            raise InvalidInput(f"'{self.subject}' and '{self.kind}' are no subject and kind of an event.")
        size = len(json.dumps(self.data, ensure_ascii=False).encode())
        if size > MOST_BYTES:
            raise InvalidInput(
                f"The event '{self.kind}' of '{self.subject}' has {size:,} bytes of data, at most {MOST_BYTES:,} are "
                f"kept: leave long texts out ({', '.join(self.data)}), and let readers look them up."
            )


@dataclass(frozen=True, kw_only=True, order=True)
class EventCursor:
    """A place among one subject's events. Later events have greater cursors."""

    epoch: int
    """Which life of the subject: a subject that is deleted and made again begins another, greater one."""
    seq: int
    """Within the epoch, from 1 without gaps; 0 is before the first."""

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "EventCursor | None":
        """Return the cursor that `str` gave; `None` for any other text."""
        found = _CURSOR.fullmatch(text)
        return None if found is None else cls(epoch=int(found[1]), seq=int(found[2]))

    def is_followed_by(self, later: "EventCursor") -> bool:
        """Return whether `later` is the next place of the same life, or the first place after none at all."""
        return later.seq == self.seq + 1 and (later.epoch == self.epoch or self == BEGINNING)


BEGINNING = EventCursor(epoch=0, seq=0)
"""Before the first event of any subject."""


@dataclass(frozen=True, kw_only=True)
class LoggedEvent:
    """An event as the log keeps it."""

    event: Event
    cursor: EventCursor
    position: int | None
    """Among the events of all subjects, from 1 without gaps; `None` until it is stamped."""
    created_at: datetime
