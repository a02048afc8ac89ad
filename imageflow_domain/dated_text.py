"""Dates as they are printed: how they are spelled, which days they may mean, and rules about them."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

DATE = re.compile(r"(?:(?P<name>[a-z0-9_]{1,64}):)?(?P<format>.+)")
"""What stands between < and > in a pattern."""

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_TOKENS = {
    "YYYY": r"(19|20)\d\d",
    "YY": r"\d\d",
    "MMM": f"({'|'.join(_MONTHS)})",
    "MM": r"(0[1-9]|1[0-2])",
    "M": r"(1[0-2]|[1-9])",
    "DD": r"(0[1-9]|[12]\d|3[01])",
    "D": r"([12]\d|3[01]|[1-9])",
}
_SPLIT = re.compile("(YYYY|YY|MMM|MM|M|DD|D)")
_RULE = re.compile(r"today(?:(?P<days>[+-][0-9]{1,5}))?")


@dataclass(frozen=True)
class DateSpan:
    """The days that a printed date may mean: a month, where it names no day."""

    first: date
    last: date


@dataclass(frozen=True)
class DateFormat:
    """How a date is spelled."""

    parts: tuple[str, ...]
    """Tokens and what stands between them."""

    @classmethod
    def parse(cls, text: str) -> "DateFormat":
        """Read a format such as DD.MM.YYYY; raise `ValueError` for one without a year or a month, or with two."""
        parts = tuple(part for part in _SPLIT.split(text) if part)
        for kind, optional in (("Y", False), ("M", False), ("D", True)):
            count = sum(part in _TOKENS and part[0] == kind for part in parts)
            if count > 1 or (count == 0 and not optional):
                raise ValueError(f"the date '{text}' has {count} of {kind}: write one year, one month, perhaps one day")
        return cls(parts)

    @property
    def pattern(self) -> str:
        """The format as a pattern of text, without regard to the calendar."""
        return "".join(_TOKENS.get(part) or re.sub(r"([\\.\[\]()|?*+^${}<>])", r"\\\1", part) for part in self.parts)

    def read(self, text: str) -> DateSpan | None:
        """Return the days that a text of this spelling means; `None` where the calendar has no such day."""
        spelled = "".join(
            f"(?P<{part[0]}>{_TOKENS[part]})" if part in _TOKENS else re.escape(part) for part in self.parts
        )
        match = re.fullmatch(spelled, text)
        if match is None:
            return None
        year = int(match["Y"]) + (2000 if len(match["Y"]) == 2 else 0)
        month = _MONTHS.index(match["M"]) + 1 if match["M"].isalpha() else int(match["M"])
        days = monthrange(year, month)[1]
        if "D" not in match.re.groupindex:
            return DateSpan(date(year, month, 1), date(year, month, days))
        day = int(match["D"])
        return DateSpan(date(year, month, day), date(year, month, day)) if day <= days else None


def check_bound(text: str) -> str:
    """Return a bound of a date as it was written: `today`, `today+30` or a day; raise `ValueError` for others."""
    if not _RULE.fullmatch(text):
        try:
            date.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"'{text}' is no day: write today, today+30 or 2026-12-31") from error
    return text


def bound_on(text: str, today: date) -> date:
    """Return the day that a checked bound means."""
    match = _RULE.fullmatch(text)
    if match is None:
        return date.fromisoformat(text)
    return today + timedelta(days=int(match["days"] or 0))
