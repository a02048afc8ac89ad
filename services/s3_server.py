"""What every S3 server of the tests has: a folder, a port, one bucket, and an account that ImageFlow uses."""

import secrets
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from services.child import Child, free_port

BUCKET = "imageflow"
ACCOUNT = "imageflow"


class S3Server(ABC):
    """An S3 server in a folder. It may be killed, stopped and started again on the same port."""

    name: str

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._port = free_port()
        self._secret = secrets.token_hex(16)
        self._child: Child | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which ImageFlow uses this server."""
        return {
            "IMAGEFLOW_OBJECT_STORE_URL": f"s3://{BUCKET}",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": self._secret,
            "AWS_REGION": "us-east-1",
        }

    @property
    def pid(self) -> int | None:
        """Of the server; `None` while it does not run."""
        return self._child.pid if self._child is not None and self._child.alive else None

    @abstractmethod
    def start(self) -> None:
        """Start it, with what it kept."""

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, in order by default, and wait until it is gone; what it stores stays."""
        if self._child is not None:
            self._child.end(number)

    @abstractmethod
    def set_read_only(self, *, read_only: bool) -> None:
        """Let ImageFlow's account write nothing any more, or write again."""
