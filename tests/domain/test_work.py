"""The rule of what is due: every kind of work, and every way in which its newest run stands, against a table."""

from itertools import product

import pytest

from imageflow_domain.work import Action, End, Work, WorkRun, decide

WAIT, REQUEST, FINISH = Action.WAIT, Action.REQUEST, Action.FINISH
HAND_BACK, CANCEL, GIVE_UP = Action.HAND_BACK, Action.CANCEL, Action.GIVE_UP
MOST = 3

DUE = {
    # is ours, is missing, tries are left: after a run that succeeded, failed, was cancelled
    (True, True, True): (REQUEST, REQUEST, CANCEL),
    (True, True, False): (GIVE_UP, GIVE_UP, CANCEL),
    (True, False, True): (FINISH, REQUEST, CANCEL),  # Dagster has not heard of what the failed run made
    (True, False, False): (FINISH, FINISH, CANCEL),
    (False, True, True): (HAND_BACK, GIVE_UP, CANCEL),
    (False, True, False): (HAND_BACK, GIVE_UP, CANCEL),
    (False, False, True): (FINISH, FINISH, CANCEL),
    (False, False, False): (FINISH, FINISH, CANCEL),
}
ENDS = (End.SUCCEEDED, End.FAILED, End.CANCELLED)
EVERY = [
    Work(tries=tries, most_tries=MOST, is_missing=missing, is_ours=ours, ends_when_cancelled=ends)
    for tries, missing, ours, ends in product((0, MOST - 1, MOST), (True, False), (True, False), (True, False))
]
"""Every kind of work that nobody else is at."""


def _ended(end: End | None, *, retries: bool = False, is_noted: bool = False, name: str = "r1") -> WorkRun:
    return WorkRun(id=name, end=end, retries=retries, is_noted=is_noted)


@pytest.mark.parametrize(("ours", "missing", "left"), list(DUE))
def test_what_is_due_after_a_run_has_ended(ours: bool, missing: bool, left: bool) -> None:
    for tries in range(MOST) if left else (MOST, MOST + 1):
        work = Work(tries=tries, most_tries=MOST, is_ours=ours, is_missing=missing)
        assert tuple(decide(work, [_ended(end)]) for end in ENDS) == DUE[ours, missing, left]


@pytest.mark.parametrize(("ours", "missing", "left"), list(DUE))
def test_a_cancelled_run_is_a_failed_one_where_nobody_can_go_on(ours: bool, missing: bool, left: bool) -> None:
    tries = MOST - 1 if left else MOST
    work = Work(tries=tries, most_tries=MOST, is_ours=ours, is_missing=missing, ends_when_cancelled=False)
    assert decide(work, [_ended(End.CANCELLED)]) == decide(work, [_ended(End.FAILED)]) == DUE[ours, missing, left][1]


@pytest.mark.parametrize("work", EVERY)
def test_a_first_run_is_requested_for_work_of_ours_alone(work: Work) -> None:
    assert decide(work, []) == (REQUEST if work.is_ours else WAIT)


@pytest.mark.parametrize("work", EVERY)
@pytest.mark.parametrize("end", ENDS)
def test_work_that_was_taken_up_since_its_run_ended_is_begun_anew(work: Work, end: End) -> None:
    noted = [_ended(end, is_noted=True), _ended(End.FAILED, name="r0")]
    assert decide(work, noted) == decide(work, [])


@pytest.mark.parametrize("work", EVERY)
@pytest.mark.parametrize("end", ENDS)
def test_a_run_that_is_alive_or_will_be_repeated_is_waited_for(work: Work, end: End) -> None:
    alive, older = _ended(None), _ended(end, name="r0")
    assert decide(work, [alive]) == decide(work, [alive, older]) == decide(work, [older, alive]) == WAIT
    assert decide(work, [_ended(end, retries=True)]) == WAIT


@pytest.mark.parametrize("end", [*ENDS, None])
def test_work_that_somebody_else_is_at_is_left_alone(end: End | None) -> None:
    held = Work(tries=0, most_tries=MOST, is_held=True)
    assert decide(held, []) == decide(held, [_ended(end)]) == decide(held, [_ended(end, is_noted=True)]) == WAIT
