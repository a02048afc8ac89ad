"""The `imageflow` command and a running stack, as a user has them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from bench.watching import role_of

ROOT = Path(__file__).parents[2]
HTTP = httpx.Client(timeout=30, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
"""For every request: a client of its own would read the machine's certificates first, in 24 ms of a processor."""

EXAMPLE = ROOT / "examples" / "openttd-small"
SURVEY_FOLDER = (
    *("survey", "run", "--driver", "folder", "--game", "openttd", "--save", "example"),
    *("--lossless-method", "0", "--source"),
)
"""The command that surveys a folder, which is its last word; encoded fast, tiles have the same pixels."""


@dataclass(frozen=True)
class Cli:
    """The `imageflow` command, with a home of its own."""

    home: Path
    env: dict[str, str]

    def run(self, *arguments: str, expect: int = 0, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "imageflow_cli.main", *arguments],
            env=self.env,
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def attempt(self, *arguments: str) -> bool | None:
        """Return True where a command succeeds, `None` where it does not."""
        done = subprocess.run(
            [sys.executable, "-m", "imageflow_cli.main", *arguments],
            env=self.env,
            cwd=self.home.parent,
            capture_output=True,
            timeout=240,
            check=False,
        )
        return True if done.returncode == 0 else None

    def json(self, *arguments: str, **options: Any) -> Any:
        return json.loads(self.run(*arguments, "--json", **options).stdout.splitlines()[-1])


@dataclass(frozen=True)
class Stack:
    """A running `imageflow up`."""

    cli: Cli
    gateway: str
    dagster: str
    process: "subprocess.Popen[str]"

    def graphql(self, query: str, **variables: Any) -> Any:
        answer = HTTP.post(f"{self.dagster}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def survey(self, survey: str) -> dict[str, Any]:
        """Return a survey as the API gives it."""
        facts: dict[str, Any] = (
            HTTP.get(f"{self.gateway}/api/v1/surveys/{survey}", timeout=30).raise_for_status().json()
        )
        return facts

    def surveys(self, save: str | None = None) -> list[str]:
        """Return all surveys, or those of a save, the newest first."""
        asked = {"limit": "1000"} | ({} if save is None else {"save": save})
        found = HTTP.get(f"{self.gateway}/api/v1/surveys", params=asked, timeout=30).raise_for_status().json()
        return [one["id"] for one in found["surveys"]]

    def await_state(self, survey: str, state: str, timeout_s: float) -> dict[str, Any]:
        """Wait until a survey has reached a state."""
        return wait_for(
            lambda: self._in_state(survey, state),
            timeout_s,
            lambda: f"{survey}: {self.survey(survey)}",
        )

    def processes(self, *words: str) -> list[int]:
        """Return the living processes below `imageflow up` whose command line has one of the words."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it may end while we look
                command = " ".join(child.cmdline())
                if any(word in command for word in words):
                    found.append(child.pid)
        return found

    def run_workers(self) -> list[int]:
        """Return the living run workers."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if role_of(child) == "run worker":
                    found.append(child.pid)
        return found

    def _in_state(self, survey: str, state: str) -> dict[str, Any] | None:
        facts = self.survey(survey)
        assert facts["state"] == state or facts["state"] not in {"failed", "cancelled"}, facts
        return facts if facts["state"] == state else None


@contextmanager
def running_stack(cli: Cli) -> Iterator[Stack]:
    """Run `imageflow up` for a `with` block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "imageflow_cli.main", "up"],
        env=cli.env,
        cwd=cli.home.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        addresses = _addresses(process)
        yield Stack(cli=cli, gateway=addresses["Map"], dagster=addresses["Dagster"], process=process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@contextmanager
def dagster_dev(folder: Path, env: dict[str, str]) -> Iterator[str]:
    """Run plain `dagster dev` in a folder for a `with` block, and yield its address once its code is loaded."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", "dev", "-p", str(port)],
        cwd=folder,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # a shell that begins these tests in the background lets SIGINT be ignored, by Dagster's processes too
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    address = f"http://127.0.0.1:{port}"

    def loaded() -> bool | None:
        query = "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }"
        try:
            answer = HTTP.post(f"{address}/graphql", json={"query": query}, timeout=10).json()
        except httpx.HTTPError:
            return None
        entries = answer["data"]["workspaceOrError"]["locationEntries"]
        return True if entries and entries[0]["loadStatus"] == "LOADED" else None

    try:
        wait_for(loaded, 120, lambda: "dagster dev")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(200)  # it gives its webserver and its daemon a minute each, then its code server half of one
        finally:
            _kill_group(process.pid)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _addresses(process: "subprocess.Popen[str]") -> dict[str, str]:
    """Read where the stack answers from what it says; fail with all that it said when it ends, as it does in time."""
    assert process.stdout is not None
    addresses: dict[str, str] = {}
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        name, _, address = line.partition(":")
        if address.strip().startswith("http"):
            addresses[name] = address.strip().rstrip("/")
        if len(addresses) == 2:
            break
    assert set(addresses) == {"Map", "Dagster"}, "".join(said)
    return addresses


T = TypeVar("T")


def wait_for(look: Callable[[], T | None], timeout_s: float, describe: Callable[[], str], *, every_s: float = 0.5) -> T:
    """Return what `look` finds; fail with `describe()` after a while."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(every_s)
    raise AssertionError(f"not within {timeout_s:.0f} s: {describe()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, **extra: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("IMAGEFLOW_", "DAGSTER_"))}
    return {**clean, "IMAGEFLOW_HOME": str(home), **extra}
