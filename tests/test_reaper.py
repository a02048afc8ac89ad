"""What the tests cost is counted wholly."""

import subprocess
import sys
from pathlib import Path

# By the count that the kernel shows of a process, in hundredths of a second; its precise clock runs ahead of that.
_BURNS = """
import os
if os.fork():
    os._exit(0)
os.setsid()
while sum(os.times()[:2]) < 0.6:
    pass
open("burnt", "w").close()
"""
_STARTS = """
import os, subprocess, sys, time
from tests.reaper import cpu_s
before = cpu_s()
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
while not os.path.exists("burnt"):
    time.sleep(0.01)
assert time.process_time() < 0.4, "it must be the other process that is counted"
print(cpu_s() - before)
"""


def test_a_daemon_that_no_test_waits_for_is_counted(tmp_path: Path) -> None:
    program = [sys.executable, "-c", _STARTS, _BURNS]
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "tests.reaper", *program],
        cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 0.5 <= float(done.stdout) < 1.0


def test_the_command_s_status_is_the_reaper_s() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.reaper", "sh", "-c", "exit 3"], check=False)
    assert done.returncode == 3
