"""The local stack: which processes it has, and how they start, live and end together."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import httpx
import yaml

from imageflow_cli.code_server import CodeServer
from imageflow_cli.fork_server import die_with_parent
from imageflow_cli.forks import Fork, Forks
from imageflow_clients.dagster import LOCATION
from imageflow_clients.settings import Settings
from imageflow_domain.errors import Conflict, Unavailable
from imageflow_resources.storage import dagster_home

_READY_S = 90.0
_ANSWER_S = 5.0
_END_S = 15.0
_RESTART_AFTER_S = 2.0
_MOST_LOG_BYTES = 10_000_000
"""Of a service that is started again: a larger log is set aside, in place of the one that was before."""
_LOG_TAIL = 15


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process of the stack."""

    name: str
    module: str
    """Run as `python -m` does."""
    arguments: tuple[str, ...] = ()
    is_forked: bool = True
    """A fork of what has imported Dagster."""
    ready_url: str | None = None
    """Answers 200 once the service is of use."""
    ready_port: int = 0
    """Takes connections once the service is of use; 0: none is waited for."""
    reads_code: bool = False
    """Started once the code server is up: Dagster looks again for one that it missed only after ten seconds."""


def services(settings: Settings, workspace: Path, code: CodeServer) -> tuple[Service, ...]:
    """Return the stack's processes in the order in which they start."""
    at = ("-h", settings.host, "-p", str(settings.dagster_port))
    return (
        Service(
            name="gateway",
            module="imageflow_gateway",
            is_forked=False,  # it has no Dagster, and numpy, which starts threads
            ready_url=f"{settings.gateway_url}/health/ready",
        ),
        Service(name="engine", module="imageflow_engine", is_forked=False, ready_port=settings.engine_grpc_port),
        Service(name="code", module="dagster", arguments=code.arguments),
        Service(
            name="dagster",
            module="dagster_webserver",
            arguments=(*at, "-w", str(workspace)),
            ready_url=f"{settings.dagster_base_url}/server_info",
            reads_code=True,
        ),
        Service(name="daemon", module="dagster._daemon", arguments=("run", "-w", str(workspace)), reads_code=True),
    )


class Stack:
    """Starts the services, keeps them up, and ends them. A context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        home = dagster_home(settings)
        self._logs = settings.home_path / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._code = CodeServer(home)
        workspace = home / "workspace.yaml"
        workspace.write_text(
            yaml.safe_dump(
                {"load_from": [{"grpc_server": {"socket": str(self._code.address), "location_name": LOCATION}}]}
            )
        )
        self._services = services(settings, workspace, self._code)
        self._environment = {
            **os.environ,
            "DAGSTER_HOME": str(home),
            "IMAGEFLOW_HOME": str(settings.home_path),
            "IMAGEFLOW_HOST": settings.host,
            "IMAGEFLOW_GATEWAY_PORT": str(settings.gateway_port),
            "IMAGEFLOW_DAGSTER_PORT": str(settings.dagster_port),
            "IMAGEFLOW_ENGINE_GRPC_PORT": str(settings.engine_grpc_port),
            "PYTHONWARNINGS": "ignore",
            # An overloaded machine may take more than Dagster's minute to start a worker; the run is then given up.
            "DAGSTER_GRPC_TIMEOUT_SECONDS": "120",
            # Uploaded frames are all read before a survey of them begins: ten thousand take two minutes or more.
            "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "600",
        }
        self._forks = Forks(self._environment, self._logs / "forks.log")
        self._running: dict[str, Process] = {}

    def __enter__(self) -> Self:
        self._lock = _only_stack_of(self._settings.home_path)
        self._code.take_address()
        try:
            for needs_code in (False, True):
                begun = [service for service in self._services if service.reads_code is needs_code]
                for service in begun:
                    self._log_of(service).unlink(missing_ok=True)
                    self._running[service.name] = self._start(service)
                with httpx.Client(timeout=_ANSWER_S) as client:
                    self._await_ready(begun, client)
        except BaseException:  # Ctrl-C too: nothing that was started may stay
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End every service."""
        end_together(list(self._running.values()), within_s=_END_S)
        self._running.clear()
        self._forks.end()
        self._lock.close()

    def keep_up(self) -> str | None:
        """Start a service again that has ended or serves nothing; return its name, or `None` where all are up."""
        for service in self._services:
            process = self._running[service.name]
            if time.monotonic() - process.begun > _RESTART_AFTER_S and self._is_down(service):
                process.end_by(time.monotonic())
                if service.name == "code":
                    self._code.take_address()
                self._running[service.name] = self._start(service)
                return service.name
        return None

    def _is_down(self, service: Service) -> bool:
        has_ended = self._running[service.name].has_ended
        return has_ended or (service.name == "code" and self._code.has_lost_its_child())

    def _start(self, service: Service) -> "Process":
        def forked(out: IO[bytes]) -> Fork:
            return self._forks.start(service.module, service.arguments, out)

        def spawned(out: IO[bytes]) -> "subprocess.Popen[bytes]":
            return spawn((sys.executable, "-m", service.module, *service.arguments), self._environment, out)

        return Process(service.name, forked if service.is_forked else spawned, self._log_of(service))

    def _log_of(self, service: Service) -> Path:
        return self._logs / f"{service.name}.log"

    def _await_ready(self, begun: Sequence[Service], client: httpx.Client) -> None:
        deadline = time.monotonic() + _READY_S
        for service in begun:
            while not self._is_ready(service, client):
                process = self._running[service.name]
                if process.has_ended:
                    raise Unavailable(
                        f"'{service.name}' ended at once. Its log, {process.log}, ends:\n{process.tail()}"
                    )
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"'{service.name}' was not ready within {_READY_S:.0f} s. Its log, {process.log}, ends:\n"
                        f"{process.tail()}"
                    )
                time.sleep(0.1)
            if service.name == "code" and (fault := self._code.load_error()) is not None:
                raise Unavailable(f"Dagster cannot load the code:\n{fault}")

    def _is_ready(self, service: Service, client: httpx.Client) -> bool:
        if service.name == "code":
            return self._code.is_ready
        if service.ready_port and not _takes_connections(self._settings.reachable_host.strip("[]"), service.ready_port):
            return False
        if service.ready_url is None:
            return True
        try:
            return client.get(service.ready_url).is_success
        except httpx.TransportError:
            return False


def _takes_connections(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_ANSWER_S):
            return True
    except OSError:
        return False


def _only_stack_of(home: Path) -> IO[bytes]:
    """Return the lock of a home's one stack, held until it is closed; raise `Conflict` where another stack has it."""
    lock = (home / "up.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise Conflict(
            f"`imageflow up` is running for '{home}' already: one stack serves one IMAGEFLOW_HOME."
        ) from error
    return lock


def spawn(command: Sequence[str], environment: Mapping[str, str], out: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start a command in a process group of its own, which dies with this process."""
    return subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


class Process:
    """One child, the first of a process group, and its log."""

    def __init__(self, name: str, start: Callable[[IO[bytes]], "subprocess.Popen[bytes] | Fork"], log: Path) -> None:
        """Start the child, which writes to the end of its log."""
        self.name = name
        self.log = log
        self.begun = time.monotonic()
        if log.exists() and log.stat().st_size > _MOST_LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))
        # keep what the service wrote before it ended: the warning about its restart names this log
        with log.open("ab") as out:
            self._child = start(out)

    @property
    def has_ended(self) -> bool:
        """Whether the child itself has ended; what it started may still run."""
        return self._child.poll() is not None

    def tail(self) -> str:
        """Return the last 15 lines of its log, those of earlier starts included."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL:])

    def ask_to_end(self) -> None:
        """Ask the whole group."""
        _signal_group(self._child.pid, signal.SIGTERM)

    def end_by(self, deadline: float) -> None:
        """Wait until it has ended, and make the whole group end at a moment of the monotonic clock."""
        try:
            self._child.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            pass
        finally:
            _signal_group(self._child.pid, signal.SIGKILL)
            self._child.wait()


def end_together(processes: Sequence[Process], *, within_s: float) -> None:
    """End processes at the same time: each of them may be at something that it would wait for, as a sensor's tick."""
    for process in processes:
        process.ask_to_end()
    deadline = time.monotonic() + within_s
    for process in processes:
        process.end_by(deadline)


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return  # all of it has ended
