"""A Python environment of its own, for libraries that contradict ours: installed once into the user's cache folder."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from imageflow_domain.errors import Unavailable
from services.go import cache_root

_REQUIREMENTS = Path(__file__).parents[1] / "requirements"


@dataclass(frozen=True)
class Environment:
    """The environment of `requirements/<name>.txt`; other pins are another environment."""

    name: str

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self._folder / "bin" / "python"

    def is_kept(self) -> bool:
        """Whether it was installed before."""
        return (self._folder / "whole").exists()

    def install(self) -> Path:
        """Return its folder, installing it first where it is not kept; raise `Unavailable` where it cannot be had."""
        folder = self._folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.is_kept():
                shutil.rmtree(folder, ignore_errors=True)
                self._run([sys.executable, "-m", "venv", str(folder)])
                pip = [str(self.python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
                self._run([*pip, "-r", str(self._requirements)])
                (folder / "whole").touch()
        return folder

    @property
    def _requirements(self) -> Path:
        return _REQUIREMENTS / f"{self.name}.txt"

    @property
    def _folder(self) -> Path:
        pins = hashlib.sha256(self._requirements.read_bytes()).hexdigest()[:12]
        version = ".".join(map(str, sys.version_info[:2]))
        return cache_root() / f"{self.name}-{version}-{pins}"

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = "\n".join(done.stderr.strip().splitlines()[-10:])
            raise Unavailable(f"{self._requirements.name} could not be installed, which tests need:\n{said}")
