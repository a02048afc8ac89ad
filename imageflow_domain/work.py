"""The one rule of what is due for work that rows say is missing: the work and its runs in, an action out. Pure.

Surveys, batches, reports and days follow it; what an action means for one of them is its own use case's affair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class WorkRun:
    """A run that was asked for to do some work."""

    id: str
    end: End | None
    """`None` while it is alive."""
    retries: bool = False
    """Whether Dagster is about to repeat it by itself."""
    why: str = ""
    """Why it left something undone, in words for people; empty where no message is shown."""
    is_noted: bool = False
    """Whether rows say what came of it: the work was taken up again since."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Something that runs make, by its rows."""

    tries: int
    """Runs in a row that ended without progress, the newest one included."""
    most_tries: int
    """After so many it is given up."""
    is_missing: bool = True
    """Whether rows lack some of it."""
    is_ours: bool = True
    """Whether a sensor requests its runs; those of other work are begun by people."""
    is_held: bool = False
    """Whether another process works on it, or is about to."""
    ends_when_cancelled: bool = True
    """Whether a cancelled run cancels it; otherwise such a run is a failed one."""


class Action(StrEnum):
    """What is due."""

    WAIT = "wait"
    REQUEST = "request"
    """Ask for a run that makes what is missing."""
    FINISH = "finish"
    """Note that nothing is missing."""
    HAND_BACK = "hand back"
    """Leave what is missing to the person who began the run."""
    CANCEL = "cancel"
    GIVE_UP = "give up"


def decide(work: Work, runs: Sequence[WorkRun]) -> Action:
    """Return what is due for some work.

    Args:
        work: As its rows are, read after its runs.
        runs: Of this work, the one that began last first.
    """
    if work.is_held or any(run.end is None for run in runs):
        return Action.WAIT
    if not runs or runs[0].is_noted:
        return Action.REQUEST if work.is_ours else Action.WAIT
    newest = runs[0]
    if newest.retries:
        return Action.WAIT
    if newest.end is End.CANCELLED and work.ends_when_cancelled:
        return Action.CANCEL
    is_well = newest.end is End.SUCCEEDED
    goes_on = work.is_ours and work.tries < work.most_tries
    if not work.is_missing and (is_well or not goes_on):
        return Action.FINISH
    if goes_on:
        return Action.REQUEST
    return Action.HAND_BACK if is_well and not work.is_ours else Action.GIVE_UP
