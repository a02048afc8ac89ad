"""The caller."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A person or a program on whose behalf something is done."""

    name: str


LOCAL_OPERATOR = Principal(name="local operator")
"""The principal of every call, as long as there are no logins."""
