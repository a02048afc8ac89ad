"""The one rule of what a survey needs, and of the state it is in: rows and its newest run in, an action out. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from imageflow_domain.survey import Carrier, Progress, Survey, SurveyState
from imageflow_surveys.next_step import next_step

MOST_FRUITLESS = 3
"""Runs in a row without progress after which a survey is given up."""


class End(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class EndedRun:
    """The run that began last on a survey, no run of which is alive."""

    id: str
    end: End
    retries: bool
    """Whether Dagster is about to repeat it by itself."""
    why: str
    """In words for people; empty where it succeeded."""
    is_former: bool = False
    """Whether the survey was taken up again since the run began."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Ask for a run that makes what is missing."""


@dataclass(frozen=True, kw_only=True)
class Settle:
    """Bring the survey's state in line with its rows and runs."""

    state: SurveyState
    reason: str | None = None


def decide(
    survey: Survey, progress: Progress, run: EndedRun | None, *, fruitless: int, launching: bool
) -> Request | Settle | None:
    """Return what is due for a survey that is planned or running and of which no run is alive.

    Args:
        run: The one that began last; `None` where there is none.
        fruitless: Runs that failed since one made progress, this one included.
        launching: Whether somebody else is about to launch its first run.
    """
    step = next_step(progress)
    ours = survey.carrier is Carrier.SENSOR
    if run is None:
        return Request() if ours and not launching else None
    if run.is_former or run.id == survey.settled_run_id:
        return Request() if ours else None
    if run.retries:
        return None
    if run.end is End.CANCELLED:
        return Settle(state=SurveyState.CANCELLED, reason=f"{run.why}{_how_to_go_on(survey)}")
    if step is None and (run.end is End.SUCCEEDED or not ours or fruitless >= MOST_FRUITLESS):
        return Settle(state=SurveyState.COMPLETED)
    if ours and fruitless < MOST_FRUITLESS:
        return Request()
    if run.end is End.SUCCEEDED and step is not None and not ours:
        return Settle(state=SurveyState.PLANNED, reason=_made_so_far(progress, step.layer))
    times = f"{fruitless} runs in a row made no progress, last: " if ours else ""
    return Settle(state=SurveyState.FAILED, reason=f"{times}{run.why}{_how_to_go_on(survey)}")


def _made_so_far(progress: Progress, layer: str) -> str:
    return f"{progress.tasks_done} of {progress.tasks} tasks are done. Materialise {layer} next."


def _how_to_go_on(survey: Survey) -> str:
    by_command_line = survey.carrier is Carrier.COMMAND_LINE
    return f" `imageflow survey resume {survey.id}` goes on." if by_command_line else ""
