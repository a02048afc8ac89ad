"""Retries and the breaker, by a clock and a server of the test."""

import asyncio
from collections.abc import Sequence

import pytest

from imageflow.client import resilience
from imageflow.client.breaker import Breaker
from imageflow.client.failures import MAY_PASS, failure
from imageflow.client.resilience import Deadline, Resilience, jittered
from imageflow_domain import errors
from imageflow_edge.error_table import TABLE, answer_for


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Server:
    """Answers with the next of its errors, or with its number of calls."""

    def __init__(self, said: Sequence[Exception | None]) -> None:
        self.said = list(said)
        self.calls = 0

    async def __call__(self, timeout_s: float) -> int:
        assert timeout_s > 0
        self.calls += 1
        error = self.said.pop(0) if self.said else None
        if error is not None:
            raise error
        return self.calls


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[float]:
    """Return the waits of calls, which only the clock of the test takes."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)
        clock.now_s += seconds

    monkeypatch.setattr(resilience.asyncio, "sleep", sleep)
    return found


def ask(server: Server, breaker: Breaker | None = None, deadline: Deadline | None = None) -> int:
    return asyncio.run(Resilience(breaker or Breaker("it")).call(server, deadline or Deadline(60)))


DOWN = errors.Unavailable("down")


@pytest.mark.parametrize(
    "error", [DOWN, errors.Timeout("late"), errors.Overloaded("full"), errors.TooManyRequests("often")]
)
def test_what_may_pass_is_tried_again_after_1_2_and_4_s_a_quarter_more_or_less(
    error: errors.ImageFlowError, waits: list[float]
) -> None:
    assert ask(Server([error] * 3)) == 4
    assert len(waits) == 3
    assert all(0.75 * wanted <= wait <= 1.25 * wanted for wait, wanted in zip(waits, (1, 2, 4), strict=True))


def test_the_fourth_failure_is_the_answer(waits: list[float]) -> None:
    server = Server([DOWN] * 9)
    with pytest.raises(errors.Unavailable, match="down"):
        ask(server)
    assert (server.calls, len(waits)) == (4, 3)


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidInput("wrong"),
        errors.NotFound("absent"),
        errors.Conflict("there"),
        errors.TooLarge("large"),
        errors.Forbidden("no"),
        errors.ImageFlowError("broken"),
    ],
)
def test_nothing_else_is_tried_again(error: errors.ImageFlowError, waits: list[float]) -> None:
    server = Server([error] * 2)
    with pytest.raises(type(error)):
        ask(server)
    assert (server.calls, waits) == (1, [])


def test_waits_are_spread_over_half_of_themselves() -> None:
    found = [jittered(2.0) for _ in range(2_000)]
    assert min(found) >= 1.5
    assert max(found) <= 2.5
    assert min(found) < 1.55
    assert max(found) > 2.45


def test_one_deadline_is_over_all_attempts(waits: list[float], clock: Clock) -> None:
    server = Server([DOWN] * 9)
    with pytest.raises(errors.Unavailable, match="down"):
        ask(server, deadline=Deadline(1.5, clock))
    assert (server.calls, len(waits)) == (2, 1)  # the second wait is at least 1.5 s
    with pytest.raises(errors.Timeout):
        ask(Server([]), deadline=Deadline(0, clock))


def calls(breaker: Breaker, *outcomes: bool) -> list[str]:
    """Return what became of calls that succeed or fail, without any repetition."""
    found = []
    for succeeds in outcomes:
        try:
            is_probe = breaker.enter()
        except errors.Unavailable:
            found.append("refused")
            continue
        (breaker.succeed if succeeds else breaker.fail)(is_probe=is_probe)
        found.append("probed" if is_probe else "passed")
    return found


def test_the_breaker_opens_at_5_failures_probes_once_after_30_s_and_closes_after_3_successes() -> None:
    clock = Clock()
    breaker = Breaker("it", clock)
    assert calls(breaker, False, False, False, False, True, *[False] * 5) == ["passed"] * 10
    assert calls(breaker, True) == ["refused"]
    clock.now_s += 29.9
    assert calls(breaker, True) == ["refused"]
    clock.now_s += 0.2
    assert breaker.enter()
    with pytest.raises(errors.Unavailable):  # one probe at a time
        breaker.enter()
    breaker.succeed(is_probe=True)
    assert calls(breaker, True, True, True) == ["probed", "probed", "passed"]
    assert calls(breaker, *[False] * 4, True) == ["passed"] * 5


def test_a_probe_that_fails_opens_the_breaker_for_another_30_s() -> None:
    clock = Clock()
    breaker = Breaker("it", clock)
    calls(breaker, *[False] * 5)
    clock.now_s += 31
    assert calls(breaker, True, True, False, True) == ["probed", "probed", "probed", "refused"]
    clock.now_s += 31
    assert calls(breaker, True, True, True, True) == ["probed", "probed", "probed", "passed"]


def test_a_probe_that_is_given_up_lets_another_one_probe() -> None:
    clock = Clock()
    breaker = Breaker("it", clock)
    calls(breaker, *[False] * 5)
    clock.now_s += 31
    breaker.forget(is_probe=breaker.enter())
    assert calls(breaker, True) == ["probed"]


def test_calls_that_began_before_it_opened_do_not_keep_it_open_or_close_it() -> None:
    clock = Clock()
    breaker = Breaker("it", clock)
    early = [breaker.enter() for _ in range(3)]
    calls(breaker, *[False] * 5)
    clock.now_s += 20
    breaker.fail(is_probe=early[0])
    for is_probe in early[1:]:
        breaker.succeed(is_probe=is_probe)
    assert calls(breaker, True) == ["refused"]
    clock.now_s += 11
    assert calls(breaker, True) == ["probed"]


def test_an_open_breaker_ends_a_call_without_waiting(waits: list[float]) -> None:
    breaker = Breaker("it")
    server = Server([DOWN] * 20)
    for _ in range(2):
        with pytest.raises(errors.Unavailable):
            ask(server, breaker)
    assert server.calls == 5
    with pytest.raises(errors.Unavailable, match="left alone"):
        ask(server, breaker)
    assert server.calls == 5


def test_an_answer_that_refuses_counts_as_an_answer() -> None:
    breaker = Breaker("it")
    for _ in range(10):
        with pytest.raises(errors.InvalidInput):
            ask(Server([errors.InvalidInput("wrong")]), breaker)
    assert not breaker.is_open


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_every_code_of_a_server_is_an_error_that_is_tried_again_where_its_status_says_so(
    kind: type[errors.ImageFlowError],
) -> None:
    answer = TABLE[kind]
    found = failure(answer.code, "said", otherwise=LookupError)  # type: ignore[arg-type]
    assert isinstance(found, errors.ImageFlowError)
    again = answer.grpc in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED") and kind is not errors.TooLarge
    assert isinstance(found, MAY_PASS) is again
    assert answer_for(found).status // 100 == answer.status // 100
