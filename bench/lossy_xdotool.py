"""A wrapper around xdotool that drops one in ten of the commands that scroll, and the release of a dropped press.

It takes xdotool's commands and options. IMAGEFLOW_DROPPED names the commands, separated by semicolons:
"key Left;key Right;mousedown 3".
"""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

DROPPED = 0.1
"""Share of the commands."""

_VARIABLE = "IMAGEFLOW_DROPPED"


def install(folder: Path, commands: Sequence[str]) -> dict[str, str]:
    """Write the wrapper into a folder as `xdotool`; return the environment with which it is found and drops commands.

    Args:
        folder: Must exist.
    """
    wrapper = folder / "xdotool"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -u {Path(__file__).absolute()} "$@"\n')
    wrapper.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", _VARIABLE: ";".join(commands)}


def main() -> int:
    """Pass standard input on line by line, without the dropped commands."""
    random_ = random.Random(5)  # noqa: S311  not for secrets
    program = shutil.which("xdotool", path="/usr/bin:/usr/local/bin")
    assert program is not None
    commands = set(os.environ[_VARIABLE].split(";"))
    with subprocess.Popen([program, *sys.argv[1:]], stdin=subprocess.PIPE, text=True) as real:
        assert real.stdin is not None
        dropped: set[str] = set()
        for line in sys.stdin:
            command = line.strip()
            if command in dropped:
                dropped.remove(command)
                continue
            if command in commands and random_.random() < DROPPED:
                dropped |= {command.replace("down ", "up ")} - {command}
                continue
            real.stdin.write(line)
            real.stdin.flush()
        real.stdin.close()
    return real.returncode


if __name__ == "__main__":
    sys.exit(main())
