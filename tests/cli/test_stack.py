"""How the processes of the local stack end."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import IO

from imageflow_cli.stack import Process, end_together, spawn
from tests.e2e.stack import wait_for

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def _started(name: str, program: str, folder: Path) -> Process:
    def start(out: IO[bytes]) -> "subprocess.Popen[bytes]":
        return spawn((sys.executable, "-c", program), os.environ, out)

    return Process(name, start, folder / f"{name}.log")


def _is_deaf(process: Process) -> bool | None:
    return True if process.tail() == "deaf" else None


def test_processes_that_do_not_listen_are_ended_together_and_not_one_after_the_other(tmp_path: Path) -> None:
    deaf = [_started(f"deaf{number}", DEAF, tmp_path) for number in range(4)]
    for process in deaf:
        wait_for(partial(_is_deaf, process), 60, lambda: "it did not start")
    begun = time.monotonic()
    end_together(deaf, within_s=4)
    assert 4 <= time.monotonic() - begun < 14
    assert all(process.has_ended for process in deaf)


def test_processes_that_listen_are_not_waited_for(tmp_path: Path) -> None:
    quick = _started("quick", "import time; time.sleep(600)", tmp_path)
    begun = time.monotonic()
    end_together([quick], within_s=300)
    assert time.monotonic() - begun < 60
    assert quick.has_ended
