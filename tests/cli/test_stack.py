"""How the processes of the local stack end."""

import os
import sys
import time
from pathlib import Path

from imageflow_cli.stack import Process, end_together
from tests.e2e.stack import wait_for

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def test_processes_that_do_not_listen_are_ended_together_and_not_one_after_the_other(tmp_path: Path) -> None:
    deaf = [
        Process(f"deaf{number}", (sys.executable, "-c", DEAF), dict(os.environ), tmp_path / f"{number}.log")
        for number in range(4)
    ]
    for process in deaf:
        wait_for(lambda process=process: process.tail() == "deaf" or None, 60, lambda: "it did not start")
    begun = time.monotonic()
    end_together(deaf, within_s=4)
    assert 4 <= time.monotonic() - begun < 14
    assert all(process.has_ended for process in deaf)


def test_processes_that_listen_are_not_waited_for(tmp_path: Path) -> None:
    quick = Process("quick", (sys.executable, "-c", "import time; time.sleep(600)"), dict(os.environ), tmp_path / "log")
    begun = time.monotonic()
    end_together([quick], within_s=300)
    assert time.monotonic() - begun < 60
    assert quick.has_ended
