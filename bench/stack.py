"""A whole local stack for benches: `imageflow up` in a home of its own, on free ports, as a user starts it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from imageflow_clients.settings import Settings

_GAMES = Path(__file__).parents[1] / "games"
_READY_S = 300.0
_LOOK_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running `imageflow up`."""

    home: Path
    gateway: str
    dagster: str
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60), compare=False, repr=False)
    """One for all requests: observing must take no time from what is measured."""

    def survey(self, game: str, save: str, timeout_s: float, **more: Any) -> tuple[str, float]:
        """Ask for a job and wait for its end; return its survey and the seconds from the request to the map.

        Raises `RuntimeError` with the job's own words where it does not end well.
        """
        begin = time.perf_counter()
        job = self._ask(game, save, more)
        while time.perf_counter() - begin < timeout_s:
            if (status := self._status(job))["status"] == "completed":
                return job["survey_id"], time.perf_counter() - begin
            time.sleep(_LOOK_S)
        raise RuntimeError(f"{job['survey_id']} came to no map within {timeout_s:.0f} s: {status}")

    def take(self, game: str, save: str, timeout_s: float) -> dict[str, Any]:
        """Ask for a job, and cancel it once all its screenshots are taken; return the job.

        Raises `RuntimeError` with the job's own words where it does not get so far.
        """
        job = self._ask(game, save, {})
        self._await(job, lambda survey: survey["counts"]["shots_taken"] == survey["counts"]["shots_planned"], timeout_s)
        self._tell(job, "cancel")
        return job

    def place(self, job: Mapping[str, Any], timeout_s: float) -> str:
        """Take a job up again, and cancel it once its screenshots are placed; return its survey.

        Raises `RuntimeError` with the job's own words where it does not get so far.
        """
        self._tell(job, "retry")
        self._await(job, lambda survey: survey["bounds"] is not None, timeout_s)
        self._tell(job, "cancel")
        return str(job["survey_id"])

    def _await(self, job: Mapping[str, Any], reached: Callable[[dict[str, Any]], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status = self._status(job)
            answer = self.client.get(f"{self.gateway}/api/v1/surveys/{job['survey_id']}").raise_for_status()
            if reached(answer.json()):
                return
            time.sleep(_LOOK_S)
        raise RuntimeError(f"{job['survey_id']} did not get so far within {timeout_s:.0f} s: {status}")

    def _tell(self, job: Mapping[str, Any], what: str) -> None:
        self.client.post(f"{self.gateway}/api/jobs/{job['job_id']}/{what}").raise_for_status()

    def _ask(self, game: str, save: str, more: Mapping[str, Any]) -> dict[str, Any]:
        request = {"game_id": game, "save_data_id": save, **more}
        answer = self.client.post(f"{self.gateway}/api/jobs", json=request).raise_for_status()
        return dict(answer.json())

    def _status(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Return how a job stands; raise `RuntimeError` with its own words where it ended and not well."""
        status = self.client.get(f"{self.gateway}/api/jobs/{job['job_id']}/status").json()
        if status["status"] not in {"preparing", "running", "completed"}:
            raise RuntimeError(f"{job['survey_id']} did not end well: {status}")
        return dict(status)


class Up:
    """One `imageflow up`, which may be killed and started again in the same home and on the same ports."""

    def __init__(self, folder: Path, settings: Mapping[str, str], games: Mapping[str, str] | None = None) -> None:
        """Lay out the folder; nothing is started yet.

        Args:
            folder: Holds its home and its game files.
            settings: `IMAGEFLOW_*` variables, and others that it needs.
            games: Game files beside those of the repository, by game.
        """
        shutil.copytree(_GAMES, folder / "games", dirs_exist_ok=True)
        shutil.copytree(_GAMES.parent / "examples", folder / "examples", dirs_exist_ok=True)
        for game, text in (games or {}).items():
            (folder / "games" / f"{game}.yaml").write_text(text)
        gateway_port, dagster_port = free_port(), free_port()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("IMAGEFLOW_", "DAGSTER_"))}
        self.log = folder / "up.log"
        self.stack = Stack(
            home=folder / "home",
            gateway=f"http://127.0.0.1:{gateway_port}",
            dagster=f"http://127.0.0.1:{dagster_port}",
        )
        self._environment = {
            **clean,
            "IMAGEFLOW_HOME": str(self.stack.home),
            "IMAGEFLOW_GAMES": str(folder / "games"),
            "IMAGEFLOW_GATEWAY_PORT": str(gateway_port),
            "IMAGEFLOW_DAGSTER_PORT": str(dagster_port),
            "IMAGEFLOW_ENGINE_GRPC_PORT": str(free_port()),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of `imageflow up` itself, not of the services that it starts; there is none before `start`."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and return once it is ready; raise `RuntimeError` with its words where it does not get so."""
        said = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("a") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "imageflow_cli.main", "up"],
                env=self._environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _READY_S
        while "Ctrl-C" not in (words := self.log.read_text()[said:]):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise RuntimeError(f"The stack did not start: {words}")
            time.sleep(_LOOK_S)

    def kill(self) -> None:
        """Kill it alone, without a chance to end what it started."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End it as Ctrl-C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)


@contextmanager
def running_stack(folder: Path, settings: Mapping[str, str], games: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Start a stack and end it; its folder is left as it is, so that one home can be started again.

    The arguments are those of `Up`.
    """
    up = Up(folder, settings, games)
    try:
        up.start()
        yield up.stack
    finally:
        up.end()


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now; another program may take it before the caller does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_gateway(settings: Settings) -> Iterator[None]:
    """Serve a home by its gateway alone, with no Dagster beside it that would take the processor's time."""
    environment = os.environ | {
        "IMAGEFLOW_HOME": str(settings.home),
        "IMAGEFLOW_GATEWAY_PORT": str(settings.gateway_port),
    }
    gateway = subprocess.Popen([sys.executable, "-m", "imageflow_gateway"], env=environment, stderr=subprocess.DEVNULL)
    try:
        _await(settings.gateway_url)
        yield
    finally:
        gateway.terminate()
        gateway.wait(30)


def _await(url: str) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health/ready").is_success:
                return
        except httpx.TransportError:
            time.sleep(_LOOK_S)
    raise RuntimeError("The gateway did not get ready.")
