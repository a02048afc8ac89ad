"""KServe's model server: the Open Inference Protocol by its own authors, in an environment of its own.

Its libraries contradict ours: it is installed once into the user's cache folder, and its Python runs `kserve_server`.
"""

import signal
from collections.abc import Mapping
from pathlib import Path

from imageflow_domain.inference import ModelId
from services.child import Child, free_port
from services.environment import Environment

_ENVIRONMENT = Environment("kserve")
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
            [_ENVIRONMENT.python, "-P", _SERVER, str(self._port), *sorted(self._folder.glob("*.onnx"))],
            log=self._folder / "kserve.log",
            port=self._port,
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, in order by default, and wait until it is gone; its models stay."""
        if self._child is not None:
            self._child.end(number)


def is_kept() -> bool:
    """Whether it was installed before."""
    return _ENVIRONMENT.is_kept()


def install() -> Path:
    """Return its environment, installing it first where it is not kept: a minute, and 450 MB.

    Raises `Unavailable` where it cannot be had.
    """
    return _ENVIRONMENT.install()
