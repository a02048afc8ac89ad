"""Columns and conditions that tables have in common."""

from sqlalchemy import CheckConstraint, Column, DateTime, func


def is_name(column: str, *, name: str) -> CheckConstraint:
    """Return the condition that a column holds a name, as `imageflow_domain.ids` has it."""
    return CheckConstraint(f"{column} ~ '^[a-z0-9_]{{1,64}}$'", name=name)


def is_short(column: str, most: int) -> CheckConstraint:
    """Return the condition that a text has so many characters at most."""
    return CheckConstraint(f"char_length({column}) <= {most}", name=f"{column}_short")


def is_small(column: str, most_bytes: int) -> CheckConstraint:
    """Return the condition that a value has so many bytes at most, written as text."""
    return CheckConstraint(f"octet_length({column}::text) <= {most_bytes}", name=f"{column}_small")


def moment(name: str, *, doc: str | None = None) -> Column[object]:
    """Return a column of times, by default the transaction's."""
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now(), doc=doc)
