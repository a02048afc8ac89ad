"""Services are forks of one process that has imported Dagster, and are else as processes that were started anew."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from imageflow_cli.fork_server import PRELOADED
from imageflow_cli.forks import Fork, Forks
from imageflow_domain.errors import Unavailable
from tests.e2e.stack import environment, wait_for

ASLEEP = "import sys, time; print('asleep', *sys.argv[1:], flush=True); time.sleep(600)"
SHOWN = """
import gc, os, signal, sys, threading
print(os.environ["GIVEN"], os.getpgrp() == os.getpid(), gc.isenabled(), threading.active_count())
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.getsignal(signal.SIGCHLD).name)
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), sys.stdin.read() == "", "dagster" in sys.modules)
print(sorted(name for name in sys.modules if name.startswith("imageflow_") and name.count(".") > 1))
"""

Start = Callable[..., Fork]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the modules of these tests and their logs are."""
    made = tmp_path_factory.mktemp("forks")
    (made / "asleep.py").write_text(ASLEEP)
    (made / "shown.py").write_text(SHOWN)
    return made


@pytest.fixture(scope="module")
def forks(folder: Path) -> Iterator[Forks]:
    path = os.pathsep.join((str(folder), str(Path.cwd())))
    made = Forks(environment(folder / "home", GIVEN="given", PYTHONPATH=path), folder / "forks.log")
    yield made
    made.end()


@pytest.fixture
def start(forks: Forks, tmp_path: Path) -> Iterator[Start]:
    """Start forks that write to `tmp_path / "log"`; none outlives the test."""
    started: list[Fork] = []

    def begin(module: str, *arguments: str) -> Fork:
        with (tmp_path / "log").open("ab") as out:
            started.append(forks.start(module, arguments, out))
        return started[-1]

    yield begin
    for fork in started:
        if fork.poll() is None:
            os.kill(fork.pid, signal.SIGKILL)
            fork.wait(10)


def _said(tmp_path: Path, words: str) -> bool | None:
    return True if words in (tmp_path / "log").read_text() else None


def _server_of(fork: Fork) -> psutil.Process:
    server = psutil.Process(fork.pid).parent()
    assert server is not None
    return server


def test_a_fork_is_as_a_process_that_was_started_anew(start: Start, tmp_path: Path) -> None:
    assert start("shown").wait(60) == 0
    assert (tmp_path / "log").read_text().splitlines() == [
        "given True True 1",
        "True SIG_DFL",
        "set() True True",
        "[]",
    ]


def test_ps_shows_the_command_of_each_fork(start: Start, tmp_path: Path) -> None:
    fork = start("asleep", "one", "--two")
    wait_for(lambda: _said(tmp_path, "asleep one --two"), 60, lambda: "it did not start")
    assert psutil.Process(fork.pid).cmdline() == [sys.executable, "-m", "asleep", "one", "--two"]
    assert "imageflow_cli.fork_server" in _server_of(fork).cmdline()


def test_what_is_imported_beforehand_starts_no_thread(start: Start) -> None:
    assert _server_of(start("asleep")).num_threads() == 1
    assert "dagster_webserver.cli" in PRELOADED


def test_a_fork_that_is_killed_has_ended_and_leaves_no_zombie(start: Start) -> None:
    fork = start("asleep")
    process = psutil.Process(fork.pid)
    assert fork.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(0)
    os.kill(fork.pid, signal.SIGKILL)
    assert fork.wait(10) == 0
    assert fork.poll() == 0
    wait_for(lambda: None if process.is_running() else True, 10, lambda: str(process))


def test_forks_end_with_their_server_and_the_next_one_has_another(start: Start) -> None:
    fork = start("asleep")
    server = _server_of(fork)
    server.kill()
    assert fork.wait(10) == 0
    again = start("asleep")
    assert _server_of(again) != server
    assert again.poll() is None


def test_a_server_that_cannot_start_is_reported_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "dagster_webserver.py").write_text("raise ImportError('broken')")
    log = tmp_path / "forks.log"
    broken = Forks(environment(tmp_path / "home", PYTHONPATH=str(tmp_path)), log)
    with (tmp_path / "log").open("ab") as out, pytest.raises(Unavailable, match=r"ended at once\. Its log is .*log"):
        broken.start("asleep", (), out)
    assert "broken" in log.read_text()
