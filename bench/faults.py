"""What can be killed under a running survey: a machine of its own, found process by process, never by name alone.

`bench.trial` runs the survey through these kills, and `bench.wholeness` checks it after.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path

import psutil

from bench.proxy import Proxy
from bench.stack import Up
from bench.variables import environment_of
from bench.watching import database_of, role_of
from imageflow_clients.settings import Settings
from services.minio import Minio
from services.rclone import Rclone

_START_AGAIN_S = 180.0
_LOOK_S = 0.1
_CUT_S = (1.0, 5.0)
_DOWN_S = (0.2, 3.0)


class Kind(StrEnum):
    """What is killed with SIGKILL, or cut."""

    WORKER = "run worker"
    STEP = "step process"
    FORKS = "fork server"
    """Of a run worker: it starts the processes of the run's steps."""
    RUN_FORKS = "fork server of runs"
    """Of the code server: it starts the run workers, which end with it."""
    SERVICE_FORKS = "fork server of services"
    """Of `imageflow up`: it starts Dagster's services, which end with it."""
    CODE = "code server"
    WORKERS_AND_CODE = "run workers and code server together"
    DAEMON = "daemon"
    WEBSERVER = "webserver"
    GATEWAY = "gateway"
    ENGINE = "engine"
    POSTGRES = "PostgreSQL"
    BACKEND = "one of PostgreSQL's backends"
    SUPERVISOR = "PostgreSQL's supervisor"
    UP = "imageflow up"
    EVERYTHING = "everything at once"
    STORE = "S3 server"
    CONNECTION = "connection to the S3 server"
    GAME = "OpenTTD"
    DISPLAY = "Xvfb"


EVERYWHERE = (
    Kind.WORKER,
    Kind.STEP,
    Kind.FORKS,
    Kind.RUN_FORKS,
    Kind.SERVICE_FORKS,
    Kind.CODE,
    Kind.WORKERS_AND_CODE,
    Kind.DAEMON,
    Kind.WEBSERVER,
    Kind.GATEWAY,
    Kind.ENGINE,
    Kind.POSTGRES,
    Kind.BACKEND,
    Kind.SUPERVISOR,
    Kind.UP,
    Kind.EVERYTHING,
)
OF_S3 = (Kind.STORE, Kind.CONNECTION)
OF_A_GAME = (Kind.GAME, Kind.DISPLAY)
_ALWAYS = (Kind.UP, Kind.EVERYTHING, *OF_S3)
"""What can be struck at any moment."""


class Machine:
    """A stack in a home of its own, with its stores, to be killed part by part. It restarts what has no supervisor.

    What the stack itself starts again (its services, PostgreSQL, runs) is left to it; `imageflow up` and the S3 server
    are started again as their supervisor would.
    """

    def __init__(self, up: Up, server: "Minio | Rclone | None", proxy: Proxy | None) -> None:
        self.up = up
        self.home = up.stack.home
        self.gateway = up.stack.gateway
        self._server = server
        self._proxy = proxy
        self._orphans: list[psutil.Process] = []

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What there is to kill while a survey needs no game."""
        return EVERYWHERE if self._server is None else EVERYWHERE + OF_S3

    @property
    def settings(self) -> Settings:
        """Where its stores are; with S3, the variables of `environment` name it."""
        return Settings(home=self.home, object_store_url=self.environment.get("IMAGEFLOW_OBJECT_STORE_URL"))

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which its processes use the S3 server, through the connection that can be cut."""
        if self._server is None or self._proxy is None:
            return {}
        return {**self._server.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._proxy.port}"}

    def strike(self, kind: Kind, dice: random.Random) -> int | None:
        """Kill one thing, and start it again where the stack does not; return how many processes died.

        `None` where there is nothing of that kind now.
        """
        match kind:
            case Kind.CONNECTION:
                assert self._proxy is not None
                self._proxy.cut()
                time.sleep(dice.uniform(*_CUT_S))
                self._proxy.mend()
                return 0
            case Kind.STORE:
                assert self._server is not None
                _kill([psutil.Process(self._server.pid)])
                time.sleep(dice.uniform(*_DOWN_S))
                self._server.stop()
                self._server.start()
                return 1
            case Kind.UP:
                self._orphans += self._family()
                self.up.kill()
                self._start_again()
                return 1
            case Kind.EVERYTHING:
                victims = [psutil.Process(self.up.pid), *self._family(), *self._supervisor(), *database_of(self.home)]
                _kill(victims)
                self.up.kill()
                self._start_again()
                return len(victims)
        return _kill(self._victims(kind, dice)) or None

    def has(self, kind: Kind) -> bool:
        """Whether there is something of that kind now."""
        return kind in _ALWAYS or bool(self._victims(kind, random.Random()))  # noqa: S311 - any one will do

    def workers(self) -> list[psutil.Process]:
        """Return the run workers that live now, those among them whose stack was killed."""
        return [process for process in (*self._family(), *self._orphans) if _is(process, "run worker")]

    def end(self) -> None:
        """End the stack, and what was left of those that were killed."""
        try:
            self.up.end()
        finally:
            _kill([process for process in self._orphans if process.is_running()])

    def _victims(self, kind: Kind, dice: random.Random) -> Sequence[psutil.Process]:
        match kind:
            case Kind.POSTGRES:
                return database_of(self.home)[:1]
            case Kind.BACKEND:
                backends = [process for process in database_of(self.home)[1:] if "[local]" in _command(process)]
                return _one_of(backends, dice)
            case Kind.SUPERVISOR:
                return self._supervisor()
            case Kind.WORKERS_AND_CODE:
                workers = self._of("run worker")
                return [*workers, *self._of("code server")] if workers else []
            case Kind.GAME | Kind.DISPLAY:
                name = "openttd" if kind is Kind.GAME else "Xvfb"
                return _one_of([process for process in self._family() if _name(process) == name], dice)
        return _one_of(self._of(kind.value), dice)

    def _of(self, role: str) -> list[psutil.Process]:
        return [process for process in self._family() if _is(process, role)]

    def _family(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.up.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _supervisor(self) -> list[psutil.Process]:
        """Return the embedded server's supervisor: its number is in the file that it holds locked."""
        with suppress(OSError, ValueError, psutil.NoSuchProcess):
            process = psutil.Process(int((self.home / "postgres" / "supervisor.lock").read_text()))
            if "postgres.supervisor" in _command(process):
                return [process]
        return []

    def _start_again(self) -> None:
        """Start the stack as a service manager would: again, where the ports of the killed one are still in use."""
        deadline = time.monotonic() + _START_AGAIN_S
        while True:
            try:
                self.up.start()
            except RuntimeError as error:
                if "is in use" not in " ".join(str(error).split()) or time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_S)
            else:
                return


@contextmanager
def machine(
    folder: Path,
    start_server: "Callable[[Path], Minio | Rclone] | None",
    games: Mapping[str, str],
    settings: Mapping[str, str] | None = None,
) -> Iterator[Machine]:
    """Start a machine in a folder, with an S3 server or with a folder of objects, and end it.

    Meanwhile this process's environment names the S3 server as well.

    Args:
        folder: Its own.
        start_server: Starts an S3 server in a folder; `None` for a folder of objects.
        games: Game files by game.
        settings: Variables of its stack, besides.
    """
    with ExitStack() as stack:
        server = proxy = None
        if start_server is not None:
            server = start_server(folder / "s3")
            stack.callback(server.stop)
            proxy = stack.enter_context(Proxy(int(server.environment["AWS_ENDPOINT_URL"].rpartition(":")[2])))
        made = Machine(Up(folder, {**(settings or {}), **_variables(server, proxy)}, games), server, proxy)
        stack.enter_context(environment_of(made.environment))
        stack.callback(made.end)
        made.up.start()
        yield made


def _variables(server: "Minio | Rclone | None", proxy: Proxy | None) -> Mapping[str, str]:
    if server is None or proxy is None:
        return {}
    return {**server.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}


def _kill(processes: Sequence[psutil.Process]) -> int:
    """Kill processes, and return how many there were still."""
    killed = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            killed += 1
    return killed


def _one_of(processes: Sequence[psutil.Process], dice: random.Random) -> list[psutil.Process]:
    return [dice.choice(processes)] if processes else []


def _is(process: psutil.Process, role: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and role_of(process) == role
    except psutil.NoSuchProcess:
        return False


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
