"""Containers of components on this machine, by podman or docker."""

import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO, cast
from uuid import uuid4

from typing_extensions import override

from imageflow_clients.containers.exchange_folder import ExchangeFolder
from imageflow_clients.containers.program import ContainerProgram, find_program
from imageflow_clients.containers.running import Exit, Means, RunningContainer
from imageflow_clients.containers.stdio import ProcessStdio
from imageflow_clients.containers.warm import WarmContainers
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import ContainerImage

_NOT_STARTED = (125, 126, 127)
"""What the program exits with when it could not start the container, or not the container's program."""
_GUARD = 'read -r _; for _ in 1 2 3; do "$@" && exit; sleep 1; done; exit 1'


class LocalContainers(WarmContainers):
    """Runs components by podman or docker. A context manager: at its end no container is left."""

    def __init__(self, scratch: Path, *, program: str | None = None) -> None:
        """Start none yet, and look for no program.

        Args:
            scratch: Where images lie while containers read and write them; made if missing.
            program: podman, docker or a path. If not given, the first of the two that is installed.
        """
        super().__init__()
        self._scratch = scratch
        self._program_name = program
        self._program: ContainerProgram | None = None
        self._preparing = threading.Lock()
        self._images: set[str] = set()
        """Those that are on this machine."""

    @override
    def start(self, image: ContainerImage, cancellation: Cancellation) -> RunningContainer:
        program = self._ready_program(image, cancellation)
        return RunningContainer(image, _LocalMeans(program, image, self._scratch))

    def _ready_program(self, image: ContainerImage, cancellation: Cancellation) -> ContainerProgram:
        """Return the program, once the image is here; what ended processes left is removed first."""
        with self._preparing:  # others wait: they would pull the same image
            if self._program is None:
                program = find_program(self._program_name, image.component)
                program.sweep()
                self._scratch.mkdir(parents=True, exist_ok=True)
                self._program = program
            if image.image not in self._images:
                self._program.check_image(image, cancellation)
                self._images.add(image.image)
            return self._program


class _LocalMeans(Means):
    """A container of this machine, and the process of the program that runs it."""

    def __init__(self, program: ContainerProgram, image: ContainerImage, scratch: Path) -> None:
        """Start it."""
        name = f"imageflow-{uuid4().hex}"
        self._temporary = tempfile.TemporaryDirectory(prefix="component-", dir=scratch, ignore_cleanup_errors=True)
        folder = ExchangeFolder.make(Path(self._temporary.name).absolute())
        self.folder = folder
        program.give_folder(folder.out)
        # The guard removes the container once its standard input is closed: by us, or by our end, however we end.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", *program.remove_command(name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._process = subprocess.Popen(
            program.run_command(name, image, folder.path),
            cwd=folder.path,  # podman leaves the file `oom` there where a container had no memory
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal reaches every process of its session
        )
        self.stdio = ProcessStdio(self._process)

    @override
    def exit(self, wait_s: float) -> Exit | None:
        try:
            status = self._process.wait(timeout=wait_s)
        except subprocess.TimeoutExpired:
            return None
        return Exit(status=status, was_started=status not in _NOT_STARTED)

    @override
    def kill(self) -> None:
        # A client whose output is not read would hold up the removal.
        self._process.kill()
        cast("IO[bytes]", self._guard.stdin).close()

    @override
    def end(self) -> None:
        self._guard.wait()
        self._process.wait()
        self._temporary.cleanup()
