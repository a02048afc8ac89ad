"""Validation errors of a model as messages for people."""

from pydantic import ValidationError

from imageflow_domain.errors import Fault

_PREFIX = "Value error, "


def describe_faults(error: ValidationError) -> str:
    """Return every fault as `loc: msg`. The values themselves stay out: one of them may be a password."""
    return "; ".join(_describe(fault["loc"], fault["msg"]) for fault in error.errors(include_url=False))


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Return every fault with its path, without the values."""
    return tuple(
        Fault(path=".".join(map(str, fault["loc"])), reason=reason_of(fault["msg"]))
        for fault in error.errors(include_url=False, include_input=False)
    )


def reason_of(said: str) -> str:
    """Return a message of pydantic's as the end of our own sentence."""
    return said.removeprefix(_PREFIX).rstrip(".")


def _describe(loc: tuple[int | str, ...], said: str) -> str:
    where = ".".join(str(part) for part in loc)
    reason = reason_of(said)
    return f"{where}: {reason}" if where else reason
