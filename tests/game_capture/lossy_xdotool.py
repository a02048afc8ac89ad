"""A wrapper around xdotool that loses one in ten of the arrow keys it is told to press. It speaks its language."""

import random
import shutil
import subprocess
import sys

LOST = 0.1
ARROWS = {"Left", "Right", "Up", "Down"}


def main() -> int:
    """Hand over standard input line by line, but for lost presses."""
    dice = random.Random(5)  # noqa: S311  dice, no secret
    program = shutil.which("xdotool", path="/usr/bin:/usr/local/bin")
    assert program is not None
    with subprocess.Popen([program, *sys.argv[1:]], stdin=subprocess.PIPE, text=True) as real:
        assert real.stdin is not None
        for line in sys.stdin:
            if line.startswith(("key ", "keydown ")) and line.split()[1] in ARROWS and dice.random() < LOST:
                continue
            real.stdin.write(line)
            real.stdin.flush()
        real.stdin.close()
    return real.returncode


if __name__ == "__main__":
    sys.exit(main())
