"""Engines are killed and suspended under load: every accepted execution ends once, with every change once."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from uuid import UUID

from sqlalchemy import text

from imageflow_clients.database.core import events
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.events import BEGINNING
from imageflow_domain.execution_events import subject_of
from imageflow_domain.executions import ENDS, ExecutionState
from imageflow_executions.image_objects import read_object
from imageflow_executions.leases import LEASE
from tests.executions.starts import ended, image, small, started

NUMBERS = count()
KILLS = int(os.environ.get("IMAGEFLOW_ENGINE_KILLS", "6"))


class EngineProcess:
    """`python -m imageflow_engine`, started again when it is killed."""

    def __init__(self, settings: Settings) -> None:
        assert settings.database_url is not None
        self._environment = os.environ | {
            "IMAGEFLOW_HOME": str(settings.home),
            "IMAGEFLOW_ENGINE_GRPC_PORT": "0",
            "IMAGEFLOW_DATABASE_URL": settings.database_url.get_secret_value(),
        }
        self._log = settings.home / f"engine-{next(NUMBERS)}.log"
        self._start()

    def _start(self) -> None:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "imageflow_engine"], env=self._environment, stderr=log
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._start()

    def stop(self) -> int:
        until = time.monotonic() + 60
        while "takes executions" not in self.log() and time.monotonic() < until:
            time.sleep(0.05)  # before that, a signal ends it without its say
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def log(self) -> str:
        return self._log.read_text()


@contextmanager
def load(stores: Stores) -> Iterator[list[UUID]]:
    """Start executions until the block ends."""
    accepted: list[UUID] = []
    over = threading.Event()

    def start_on() -> None:
        while not over.wait(0.15):
            accepted.append(started(stores, images={"picture": image(len(accepted) % 5, width=900, height=700)}).id)

    thread = threading.Thread(target=start_on)
    thread.start()
    try:
        yield accepted
    finally:
        over.set()
        thread.join()


def working(stores: Stores) -> int:
    with stores.database.begin() as connection:
        return connection.execute(text("SELECT count(*) FROM execution_leases WHERE until > now()")).scalar_one()


def await_work(stores: Stores) -> None:
    until = time.monotonic() + 60
    while not working(stores) and time.monotonic() < until:
        time.sleep(0.01)


def test_engines_that_are_killed_lose_nothing_and_do_nothing_twice(settings: Settings, stores: Stores) -> None:
    dice = random.Random(7)  # noqa: S311 - a test repeats its kills
    engines = [EngineProcess(settings), EngineProcess(settings)]
    with load(stores) as accepted:
        for _ in range(KILLS):
            await_work(stores)
            time.sleep(dice.uniform(0, 1.5))
            dice.choice(engines).kill()
        # One is suspended for longer than its lease, and goes on when another has taken its work over.
        await_work(stores)
        suspended = engines[0].process
        suspended.send_signal(signal.SIGSTOP)
        time.sleep(LEASE.total_seconds() + 5)
        suspended.send_signal(signal.SIGCONT)
    found = [ended(stores, execution) for execution in accepted]
    assert [engine.stop() for engine in engines] == [0, 0], engines[0].log()
    assert {each.record.state for each in found} == {ExecutionState.COMPLETED}
    assert max(each.record.attempt for each in found) > 1, "no kill met an execution: it tells nothing"
    digests: dict[str, set[str]] = {}
    for each in found:
        for name, stored in each.record.outputs.items():
            assert stored is not None
            read_object(stores, stored)
            digests.setdefault(f"{each.record.inputs['picture'].sha256}/{name}", set()).add(stored.sha256)
        _check_events(stores, each.record.id, each.record.attempt)
    assert len(digests) == 5 * len(small()["outputs"])
    assert all(len(each) == 1 for each in digests.values())
    assert not working(stores)


def _check_events(stores: Stores, execution: UUID, attempts: int) -> None:
    with stores.database.begin() as connection:
        found = events.read_subject(connection, subject_of(execution), after=BEGINNING, limit=1000)
    assert [one.cursor.seq for one in found] == list(range(1, len(found) + 1))
    states = [str(one.event.data["state"]) for one in found if one.event.kind == "state"]
    assert states == ["queued", "running"] * attempts + ["completed"]
    assert [state for state in states if state in ENDS] == ["completed"]
    steps = [
        (one.event.data["attempt"], one.event.data["step"], one.event.data["status"])
        for one in found
        if one.event.kind == "step"
    ]
    assert len(steps) == len(set(steps))
