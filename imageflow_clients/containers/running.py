"""One container that runs: requests go in, answers come out, and it is removed in every case."""

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from imageflow_clients.containers.conversation import LINE_BYTES, Conversation, LineTooLong
from imageflow_clients.containers.exchange_folder import INSIDE, MOST_BYTES, Exchange, FolderLost, WrongOutput
from imageflow_clients.containers.stdio import Stdio
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import ContainerAnswer, ContainerImage, ContainerRequest
from imageflow_domain.errors import ContainerFailed, ImageFlowError, InvalidInput, StepDied, Unavailable, last_lines

PROTOCOL = 1

_KILLED = 128 + signal.SIGKILL
_EXIT_S = 5

Answer = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a container ended."""

    status: int | None = None
    """Its program's exit code, where there is one."""
    why: str = ""
    """What ended it, where the exit code does not say so: a sentence."""
    was_started: bool = True


class Means(Protocol):
    """How a container is reached and removed: by podman or docker on this machine, or as a pod."""

    stdio: Stdio
    folder: Exchange

    def exit(self, wait_s: float) -> Exit | None:
        """Return how it ended, or `None` where it goes on after a while."""

    def kill(self) -> None:
        """Begin to remove it; returns at once, and may be called from any thread."""

    def end(self) -> None:
        """Remove it. `kill` was called before."""


class RunningContainer:
    """A container whose program answers one request after the other. One thread at a time may use it."""

    def __init__(self, image: ContainerImage, means: Means) -> None:
        """Take over one that was just started; whether it is ready is known after `begin`."""
        self.image = image
        self._means = means
        self._folder = means.folder
        self._conversation = Conversation(means.stdio)
        self._is_ready = False

    def begin(self, cancellation: Cancellation) -> None:
        """Wait until the component is ready. Raises what `ask` does, and `Unavailable` where it cannot be started."""
        limit_s = self.image.limits.start_s
        with self._reached(cancellation):
            answer = self._exchange(b"", limit_s, f"was not ready within {limit_s:g} s", cancellation)
        if answer.get("protocol") != PROTOCOL:
            raise self._failed(f'began with another line than {{"protocol": {PROTOCOL}}}')
        self._is_ready = True

    def ask(self, number: int, request: ContainerRequest, cancellation: Cancellation) -> ContainerAnswer:
        """Return the answer to one request.

        Args:
            number: Of the request, another one than that of any before.
            request: The inputs for one image.
            cancellation: Thrown, it removes the container.

        Raises:
            InvalidInput: The component refuses the image.
            ContainerFailed: For a wrong answer, or none in time.
            StepDied: The container ended.
            Cancelled: `cancellation` was thrown.
        """
        limit_s = self.image.limits.time_s
        with self._reached(cancellation):
            line = json.dumps(self._sent(number, request), ensure_ascii=False, allow_nan=False).encode() + b"\n"
            answer = self._exchange(line, limit_s, f"did not answer within {limit_s:g} s", cancellation)
            if answer.get("id") != number:
                raise self._failed(f"answered with the id {answer.get('id')!r:.80} instead of {number}")
            return self._taken(request, answer)

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request and wrote nothing that was not asked for."""
        return not self._conversation.has_more() and not self._conversation.is_over

    def clear(self) -> None:
        """Remove the files of the last image; raise `OSError` or `FolderLost` where that is not possible."""
        self._folder.clear()

    def kill(self) -> None:
        """Begin to remove the container; returns at once, and may be called from any thread."""
        self._means.kill()

    def end(self) -> None:
        """Remove the container."""
        self.kill()
        self._means.end()
        self._conversation.close()

    @contextmanager
    def _reached(self, cancellation: Cancellation) -> Iterator[None]:
        """Remove the container when the body is cancelled, and say how it ended where it is not reached any more."""
        try:
            with cancellation.interrupting(self.kill):
                yield
        except FolderLost:
            cancellation.check()
            raise self._ended() from None

    def _sent(self, number: int, request: ContainerRequest) -> Answer:
        """Write the inputs that are files, and return the request that names them."""
        inputs: Answer = dict(request.values)
        for port, given in request.files.items():
            if isinstance(given, tuple):
                inputs[port] = [self._folder.write(f"{port}-{place}", [data]) for place, data in enumerate(given)]
            else:
                inputs[port] = self._folder.write(port, [given])
        return {
            "id": number,
            "parameters": dict(request.parameters),
            "inputs": inputs,
            "outputs": {port: self._folder.output(port) for port in request.outputs},
        }

    def _taken(self, request: ContainerRequest, answer: Answer) -> ContainerAnswer:
        """Read the outputs that are files."""
        if "error" in answer:
            said = str(answer["error"])[:2000].strip() or "it gave no reason"
            raise InvalidInput(f"'{self.image.component}' refuses the image: {said}")
        values = answer.get("outputs", {})
        if not isinstance(values, Mapping):
            raise self._failed("answered with 'outputs' that are no JSON object")
        files = {}
        for port in request.outputs:
            try:
                data = self._folder.read(port)
            except WrongOutput as error:
                raise self._failed(f"wrote a wrong file for the output '{port}': it {error}") from error
            if data is not None:
                files[port] = data
        return ContainerAnswer(values=values, files=files, log=self._conversation.log())

    def _exchange(self, line: bytes, limit_s: float, late: str, cancellation: Cancellation) -> Answer:
        """Write a line and return the object of the line that comes back."""
        try:
            answer = self._conversation.exchange(line, limit_s, self._check_folder)
        except TimeoutError:
            raise self._failed(late) from None
        except LineTooLong:
            raise self._failed(f"wrote a line of more than {LINE_BYTES:,} bytes to standard output") from None
        cancellation.check()
        if answer is None:
            raise self._ended()
        self._check_folder()  # also what was written between the last look and the answer
        return self._parsed(answer)

    def _check_folder(self) -> None:
        if self._folder.is_overfull():
            raise self._failed(
                f"wrote more than {MOST_BYTES:,} bytes, too many files or a folder that cannot be read to {INSIDE}/out"
            )

    def _parsed(self, line: bytes) -> Answer:
        try:
            answer = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            shown = line[:80].decode(errors="replace")
            raise self._failed(f"wrote '{shown}' to standard output, which is no JSON") from error
        if not isinstance(answer, dict):
            raise self._failed("wrote a line to standard output that is no JSON object")
        if self._conversation.has_more():
            raise self._failed("wrote more than one line to standard output for one request")
        return answer

    def _failed(self, why: str) -> ContainerFailed:
        """Return the error that says why its answer is not taken."""
        return ContainerFailed(self.image.component, why=why, log=self._conversation.log())

    def _ended(self) -> ImageFlowError:
        """Return the error for a container whose output ended."""
        said = f"The container of '{self.image.component}'"
        found = self._means.exit(_EXIT_S)
        if found is None:
            return self._failed("closed its standard output")
        log = last_lines(self._conversation.log())
        if not self._is_ready and not found.was_started:
            return Unavailable(f"{said} could not be started.{log}")
        if found.why:
            return StepDied(f"{said} ended before it answered. {found.why}{log}")
        if found.status == _KILLED:  # podman does not say on every system whether it was for want of memory
            limit = f"its limit is {self.image.limits.memory_mb} MB of memory"
            return StepDied(f"{said} was killed before it answered, perhaps for want of memory: {limit}.{log}")
        return StepDied(f"{said} ended with status {found.status} before it answered.{log}")


def is_first_line(line: bytes) -> bool:
    """Return whether a line may be the first one of a component's output."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and "protocol" in said


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
