"""What is due for a survey, and the state that it is in: rows and its newest run in, an action out. Pure."""

from dataclasses import dataclass, replace

from imageflow_domain import work
from imageflow_domain.survey import Carrier, Progress, Survey, SurveyState
from imageflow_domain.work import Action, Work, WorkRun
from imageflow_surveys.next_step import next_step

MOST_FRUITLESS = 3
"""Runs in a row without progress after which a survey is given up."""


@dataclass(frozen=True, kw_only=True)
class Settle:
    """Bring the survey's state in line with its rows and runs."""

    state: SurveyState
    reason: str | None = None


def decide(
    survey: Survey, progress: Progress, run: WorkRun | None, *, fruitless: int, launching: bool
) -> Action | Settle:
    """Return what is due for a survey that is planned or running: to wait, to request a run, or how it is settled.

    Args:
        survey: Which one.
        progress: What of it is done.
        run: The one that began last; `None` where there is none.
        fruitless: Runs that failed since one made progress, this one included.
        launching: Whether somebody else is about to launch its first run.
    """
    step = next_step(progress)
    is_missing, is_ours = step is not None, survey.carrier is Carrier.SENSOR
    task = Work(tries=fruitless, most_tries=MOST_FRUITLESS, is_missing=is_missing, is_ours=is_ours)
    if run is None:
        return work.decide(replace(task, is_held=launching), ())
    is_noted = run.is_noted or run.id == survey.settled_run_id
    match action := work.decide(task, [replace(run, is_noted=is_noted)]):
        case Action.FINISH:
            return Settle(state=SurveyState.COMPLETED)
        case Action.HAND_BACK if step is not None:
            made = f"{progress.tasks_done} of {progress.tasks} tasks are done. Materialise {step.layer} next."
            return Settle(state=SurveyState.PLANNED, reason=made)
        case Action.CANCEL:
            return Settle(state=SurveyState.CANCELLED, reason=f"{run.why}{_how_to_go_on(survey)}")
        case Action.GIVE_UP:
            times = f"{fruitless} runs in a row made no progress, last: " if is_ours else ""
            return Settle(state=SurveyState.FAILED, reason=f"{times}{run.why}{_how_to_go_on(survey)}")
    return action


def _how_to_go_on(survey: Survey) -> str:
    by_command_line = survey.carrier is Carrier.COMMAND_LINE
    return f" `imageflow survey resume {survey.id}` goes on." if by_command_line else ""
