"""KServe's model server: the Open Inference Protocol by its own authors, in an environment of its own.

Its libraries contradict ours: it is installed once into the user's cache folder, and its Python runs `kserve_server`.
"""

import fcntl
import hashlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from imageflow_domain.errors import Unavailable
from imageflow_domain.inference import ModelId
from services.child import Child, free_port
from services.go import cache_root

REQUIREMENTS = Path(__file__).parents[1] / "requirements" / "kserve.txt"
_SERVER = Path(__file__).with_name("kserve_server.py")


class KServe:
    """A server that holds models: version 3 of `defects` is called `defects_3` there, for it knows no versions."""

    def __init__(self, folder: Path, models: Mapping[ModelId, bytes]) -> None:
        for model, data in models.items():
            (folder / f"{model.name}_{model.version}.onnx").write_bytes(data)
        self._folder = folder
        self._port = free_port()
        self._child: Child | None = None
        self.start()

    @property
    def url(self) -> str:
        """As `IMAGEFLOW_INFERENCE_URL` takes it."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, on the port that it had before, and return once it takes connections."""
        self._child = Child(
            [_python(), "-P", _SERVER, str(self._port), *sorted(self._folder.glob("*.onnx"))],
            log=self._folder / "kserve.log",
            port=self._port,
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, in order by default, and wait until it is gone; its models stay."""
        if self._child is not None:
            self._child.end(number)


def is_kept() -> bool:
    """Whether it was installed before."""
    return (_environment() / "whole").exists()


def install() -> Path:
    """Return its environment, installing it first where it is not kept: a minute, and 450 MB.

    Raises `Unavailable` where it cannot be had.
    """
    environment = _environment()
    environment.parent.mkdir(parents=True, exist_ok=True)
    with environment.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_kept():
            shutil.rmtree(environment, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(environment)])
            _run([str(_python()), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(REQUIREMENTS)])
            (environment / "whole").touch()
    return environment


def _environment() -> Path:
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    version = ".".join(map(str, sys.version_info[:2]))
    return cache_root() / f"kserve-{version}-{pins}"


def _python() -> Path:
    return _environment() / "bin" / "python"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = "\n".join(done.stderr.strip().splitlines()[-10:])
        raise Unavailable(f"KServe could not be installed, which tests of the inference protocol need:\n{said}")
