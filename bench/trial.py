"""One survey through kills: begun over the API, struck at random moments, carried to its end, looked at."""

import random
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from bench.faults import Kind, Machine
from bench.wholeness import Shown, faults_of, leftovers_of
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.errors import Unavailable
from imageflow_surveys import states
from imageflow_surveys.sweep import sweep

PATIENCE_S = 900.0
"""How long a survey may take after its last kill; the machine may have other work."""

_PAUSE_S = (0.5, 4.0)
_IN_RECOVERY = 0.25
"""Share of the kills that do not wait for the recovery from the last one; the others strike while work goes on."""

_LOOK_S = 1.0
_BRIEFLY_S = 0.25
"""A game may live for a few seconds only."""

_LATER_S = (0.0, 2.0)
"""After something that was waited for has come: not always at its first moment."""

_REQUEST_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One kill."""

    kind: Kind
    after_s: float
    """Since the survey was requested."""
    progress: float | None
    """Percent of the survey's tasks done by then; `None` without an answer."""
    processes: int


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The result of one survey."""

    survey: str
    strikes: tuple[Strike, ...]
    retries: int
    """How often it was given up, and taken up again over the API."""
    seconds: float
    faults: tuple[str, ...]
    """What was not as an undisturbed survey leaves it; none where all is well."""


class _Job:
    """A survey that a client waits for over the API, also while processes are down."""

    def __init__(self, machine: Machine, game: str, save: str) -> None:
        self._api = f"{machine.gateway}/api/jobs"
        # one for all requests, as each reads the machine's certificates; no connection outlives a server that is killed
        self._client = httpx.Client(timeout=_REQUEST_S, limits=httpx.Limits(max_keepalive_connections=0))
        self._began = time.monotonic()
        self.retries = 0
        self.wrong_answers: list[str] = []
        """Answers that are wrong in any case, also while a part is down."""
        request = {"game_id": game, "save_data_id": save}
        while (answer := self._ask("POST", "", json=request, headers={"Idempotency-Key": save})) is None:
            time.sleep(_LOOK_S)
        self._id = answer["job_id"]
        self.survey = str(answer["survey_id"])

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._began

    def status(self) -> Mapping[str, Any] | None:
        """Return how far it is, having taken it up again where it was given up; `None` without an answer."""
        status = self._ask("GET", f"/{self._id}/status")
        if status is not None and status["status"] in {"failed", "cancelled"}:
            print(f"{self.survey} is {status['status']}, and taken up again: {status['reason']}", flush=True)
            status = self._ask("POST", f"/{self._id}/retry")
            self.retries += status is not None
        return status

    def _ask(self, method: str, path: str, **more: Any) -> Mapping[str, Any] | None:
        try:
            answer = self._client.request(method, self._api + path, **more)
        except httpx.TransportError:
            return None
        if answer.status_code == 500:
            self.wrong_answers.append(f"{method} {path} was answered 500: {answer.text}")
        if answer.status_code in {500, 503}:
            return None
        body: Mapping[str, Any] = answer.raise_for_status().json()
        return body


def endure(
    machine: Machine,
    game: str,
    save: str,
    reference: Shown,
    kinds: "deque[Kind]",
    dice: random.Random,
    *,
    most: int,
    sweeping: bool = False,
) -> Trial:
    """Survey a game while up to `most` of `kinds` are struck, those first that come first; then look at everything.

    The survey is deleted at the end, so that the next one writes every tile anew.

    Args:
        machine: Where; it has no other survey.
        game: Its game file's name.
        save: Of no other survey.
        reference: The same game, undisturbed.
        kinds: What was struck is taken out; the rest found nothing to kill, or the survey was over.
        dice: Decide when, and which one of several.
        most: Kills before the survey is left in peace.
        sweeping: Sweep all the while, without any grace but for files that are being written.
    """
    job = _Job(machine, game, save)
    strikes: list[Strike] = []
    with _sweeps(machine, on=sweeping):
        while kinds and len(strikes) < most:
            time.sleep(dice.uniform(*_PAUSE_S))
            status = job.status() if dice.random() < _IN_RECOVERY else _await_work(machine, job, kinds[0], dice)
            if status is not None and status["status"] == "completed":
                break
            processes = machine.strike(kinds[0], dice)
            if processes is not None:
                progress = None if status is None else float(status["progress"])
                strikes.append(
                    Strike(kind=kinds.popleft(), after_s=round(job.age_s, 1), progress=progress, processes=processes)
                )
                print(f"{job.survey}: {strikes[-1]}", flush=True)
        ended = _await_end(machine, job)
    stores = open_stores(machine.settings)
    try:
        faults = (*job.wrong_answers, *_look(machine, stores, job.survey, reference, ended=ended))
    finally:
        stores.database.close()
    return Trial(
        survey=job.survey, strikes=tuple(strikes), retries=job.retries, seconds=round(job.age_s, 1), faults=faults
    )


def _await_work(machine: Machine, job: _Job, kind: Kind, dice: random.Random) -> Mapping[str, Any] | None:
    """Wait until a survey is being worked on, with something of a kind to kill, or completed; return how far it is."""
    deadline = time.monotonic() + PATIENCE_S
    waited = False
    while True:
        status = job.status()
        done = status is not None and status["status"] == "completed"
        at_work = status is not None and machine.workers() and machine.has(kind)
        if done or at_work or time.monotonic() > deadline:
            break
        waited = True
        time.sleep(_BRIEFLY_S)
    if at_work and waited:
        time.sleep(dice.uniform(*_LATER_S))
    return status


def _await_end(machine: Machine, job: _Job) -> bool:
    """Wait until a survey is completed and no work is left; return whether that came."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        status = job.status()
        if status is not None and status["status"] == "completed" and not machine.workers():
            return True
        time.sleep(_LOOK_S)
    return False


def _look(machine: Machine, stores: Stores, survey_id: str, reference: Shown, *, ended: bool) -> Iterator[str]:
    survey = states.read(stores, survey_id)
    if not ended:
        yield f"{survey_id} is {survey.state} {PATIENCE_S:.0f} s after the last kill: {survey.reason}"
        return
    yield from faults_of(stores, survey, reference)
    yield from leftovers_of(stores, machine.settings, survey)


@contextmanager
def _sweeps(machine: Machine, *, on: bool) -> Iterator[None]:
    """Sweep over and over beside the body."""
    if not on:
        yield
        return
    over = threading.Event()
    wrong: list[Exception] = []

    def work() -> None:
        try:
            stores = open_stores(machine.settings)
            while not over.wait(_LOOK_S):
                try:
                    sweep(stores, grace=timedelta(0))
                except Unavailable:
                    continue  # a store was killed
            stores.database.close()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            wrong.append(error)

    thread = threading.Thread(target=work, name="sweeps")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        if wrong:
            raise wrong[0]
