"""Container images for tests: static Go programs, built once and kept, in images that hold nothing else."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from imageflow_clients.containers.program import owner
from services.go import Go, cache_folder, cache_root, kept

EXAMPLES = Path(__file__).parents[2] / "examples" / "components"
FOCUS = EXAMPLES / "focus-go"
_ROGUE = Path(__file__).with_name("rogue")
_REPOSITORY = "localhost/imageflow-test"


def focus_program() -> Path:
    """Return the program of the example in Go."""
    return _programs()["focus"]


def rogue_program() -> Path:
    """Return the program of a component that misbehaves on request."""
    return _programs()["rogue"]


def local_image(program: Path, folder: Path, *arguments: str) -> str:
    """Make an image of a program alone, and return it with its digest."""
    shutil.copy(program, folder / program.name)
    entry = ", ".join(f'"{each}"' for each in (f"/{program.name}", *arguments))
    containerfile = folder / "Containerfile"
    containerfile.write_text(f"FROM scratch\nCOPY {program.name} /{program.name}\nENTRYPOINT [{entry}]\n")
    content = hashlib.sha256(program.read_bytes()).hexdigest()[:12]
    name = "-".join((f"{_REPOSITORY}/{program.name}", content, *arguments))
    with (cache_root() / "test-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test process that builds it first would take the name away
        _podman("build", "--quiet", "--tag", name, "--file", str(containerfile), str(folder))
        return f"{name}@{_podman('image', 'inspect', '--format', '{{.Digest}}', name)}"


def left_containers(label: str | None = None) -> list[str]:
    """Return the names of the containers of a process, by default this one: its label is `owner`."""
    wanted = f"label=imageflow.owner={label or owner()}"
    return _podman("ps", "--all", "--filter", wanted, "--format", "{{.Names}}").split()


def _podman(*arguments: str) -> str:
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _programs() -> dict[str, Path]:
    def build(go: Go) -> Iterator[Path]:
        for module in (FOCUS, _ROGUE):
            yield from go.build(module, ["."], variables={})

    sources = hashlib.sha256(
        b"".join(path.read_bytes() for each in (FOCUS, _ROGUE) for path in sorted(each.glob("*.go")))
    )
    return dict(kept(cache_folder("test-components", sources.hexdigest()[:12]), ("focus", "rogue"), build))
