"""Containers of components on this machine: kept warm between images, so that a batch pays few starts."""

import itertools
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

from imageflow_clients.containers.exchange_folder import WrongOutput
from imageflow_clients.containers.program import ContainerProgram, find_program
from imageflow_clients.containers.running import Answer, RunningContainer
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import ContainerAnswer, ContainerImage, ContainerRequest, Containers
from imageflow_domain.errors import InvalidInput

_KEPT = 8
"""Containers that wait for the next image."""


class LocalContainers(Containers):
    """Runs components by podman or docker. A context manager: at its end no container is left."""

    def __init__(self, scratch: Path, *, program: str | None = None) -> None:
        """Start none yet, and look for no program.

        Args:
            scratch: Where images lie while containers read and write them; made if missing.
            program: podman, docker or a path. If not given, the first of the two that is installed.
        """
        self._scratch = scratch
        self._program_name = program
        self._program: ContainerProgram | None = None
        self._lock = threading.Lock()
        self._preparing = threading.Lock()
        self._images: set[str] = set()
        """Those that are on this machine."""
        self._idle: list[RunningContainer] = []
        self._ids = itertools.count(1)

    @override
    def call(self, image: ContainerImage, request: ContainerRequest, *, cancellation: Cancellation) -> ContainerAnswer:
        cancellation.check()
        container = self._take(image, cancellation)
        try:
            answer = self._ask(container, request, cancellation)
        except InvalidInput:
            self._give_back(container, cancellation)
            raise
        except BaseException:
            container.end()
            raise
        self._give_back(container, cancellation)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for container in idle:
            container.kill()
        for container in idle:
            container.end()

    def _take(self, image: ContainerImage, cancellation: Cancellation) -> RunningContainer:
        """Return a container of an image that waits, or start one."""
        while (idle := self._waiting(image)) is not None:
            if idle.is_idle:
                return idle
            idle.end()
        container = RunningContainer(self._ready_program(image, cancellation), image, self._scratch)
        try:
            container.begin(cancellation)
        except BaseException:
            container.end()
            raise
        return container

    def _waiting(self, image: ContainerImage) -> RunningContainer | None:
        with self._lock:
            found = next((each for each in reversed(self._idle) if each.image == image), None)
            if found is not None:
                self._idle.remove(found)
            return found

    def _give_back(self, container: RunningContainer, cancellation: Cancellation) -> None:
        if cancellation.is_cancelled:  # it may be killed at any moment
            container.end()
            return
        try:
            container.folder.clear()
        except OSError:  # it left what this user may not remove
            container.end()
            return
        with self._lock:
            self._idle.append(container)
            surplus = self._idle[:-_KEPT]
            self._idle = self._idle[-_KEPT:]
        for each in surplus:
            each.end()

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

    def _ask(
        self, container: RunningContainer, request: ContainerRequest, cancellation: Cancellation
    ) -> ContainerAnswer:
        answer = container.ask(self._line(container, request), cancellation)
        if "error" in answer:
            said = str(answer["error"])[:2000].strip() or "it gave no reason"
            raise InvalidInput(f"'{container.image.component}' refuses the image: {said}")
        values = answer.get("outputs", {})
        if not isinstance(values, Mapping):
            raise container.failed("answered with 'outputs' that are no JSON object")
        files = {}
        for port in request.outputs:
            try:
                data = container.folder.read(port)
            except WrongOutput as error:
                raise container.failed(f"wrote a wrong file for the output '{port}': it {error}") from error
            if data is not None:
                files[port] = data
        return ContainerAnswer(values=values, files=files, log=container.log())

    def _line(self, container: RunningContainer, request: ContainerRequest) -> Answer:
        folder = container.folder
        inputs: dict[str, Any] = dict(request.values)
        for port, given in request.files.items():
            if isinstance(given, tuple):
                inputs[port] = [folder.write(f"{port}-{place}", data) for place, data in enumerate(given)]
            else:
                inputs[port] = folder.write(port, given)
        return {
            "id": next(self._ids),
            "parameters": dict(request.parameters),
            "inputs": inputs,
            "outputs": {port: folder.output(port) for port in request.outputs},
        }
