"""Containers of components, kept warm between images, so that a batch pays few starts."""

import itertools
import threading
from abc import abstractmethod
from types import TracebackType
from typing import Self

from typing_extensions import override

from imageflow_clients.containers.exchange_folder import FolderLost
from imageflow_clients.containers.running import RunningContainer
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import ContainerAnswer, ContainerImage, ContainerRequest, Containers
from imageflow_domain.errors import InvalidInput

_KEPT = 8
"""Containers that wait for the next image."""


class WarmContainers(Containers):
    """Starts containers where none waits. A context manager: at its end no container is left."""

    def __init__(self) -> None:
        """Start none yet."""
        self._lock = threading.Lock()
        self._idle: list[RunningContainer] = []
        self._numbers = itertools.count(1)

    @override
    def call(self, image: ContainerImage, request: ContainerRequest, *, cancellation: Cancellation) -> ContainerAnswer:
        cancellation.check()
        container = self._take(image, cancellation)
        try:
            answer = container.ask(next(self._numbers), request, cancellation)
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

    @abstractmethod
    def start(self, image: ContainerImage, cancellation: Cancellation) -> RunningContainer:
        """Start a container that was not begun; raise `Unavailable` where that fails, with what to do."""

    def _take(self, image: ContainerImage, cancellation: Cancellation) -> RunningContainer:
        """Return a container of an image that waits, or start one."""
        while (idle := self._waiting(image)) is not None:
            if idle.is_idle:
                return idle
            idle.end()
        container = self.start(image, cancellation)
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
            container.clear()
        except (OSError, FolderLost):  # it left what this user may not remove, or is gone
            container.end()
            return
        with self._lock:
            self._idle.append(container)
            surplus = self._idle[:-_KEPT]
            self._idle = self._idle[-_KEPT:]
        for each in surplus:
            each.end()
