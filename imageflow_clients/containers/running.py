"""One container that runs: requests go in, answers come out, and it is removed in every case."""

import json
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any, cast
from uuid import uuid4

from imageflow_clients.containers.conversation import LINE_BYTES, Conversation, LineTooLong
from imageflow_clients.containers.exchange_folder import MOST_BYTES, ExchangeFolder
from imageflow_clients.containers.program import INSIDE, ContainerProgram
from imageflow_domain.cancellation import Cancellation
from imageflow_domain.containers import ContainerImage
from imageflow_domain.errors import ContainerFailed, ImageFlowError, StepDied, Unavailable, last_lines

PROTOCOL = 1

_KILLED = 128 + signal.SIGKILL
_NOT_STARTED = (125, 126, 127)
"""What the program exits with when it could not start the container, or not the container's program."""
_EXIT_S = 5
_GUARD = 'read -r _; for _ in 1 2 3; do "$@" && exit; sleep 1; done; exit 1'

Answer = dict[str, Any]


class RunningContainer:
    """A container whose program answers one request after the other. One thread at a time may use it."""

    def __init__(self, program: ContainerProgram, image: ContainerImage, scratch: Path) -> None:
        """Start it; whether it is ready is known after `begin`."""
        self.image = image
        self._name = f"imageflow-{uuid4().hex}"
        self._temporary = tempfile.TemporaryDirectory(prefix="component-", dir=scratch, ignore_cleanup_errors=True)
        self.folder = ExchangeFolder(Path(self._temporary.name).absolute())
        program.give_folder(self.folder.out)
        # The guard removes the container once its standard input is closed: by us, or by our end, however we end.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", *program.remove_command(self._name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._process = subprocess.Popen(
            program.run_command(self._name, image, self.folder.path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal reaches every process of its session
        )
        self._conversation = Conversation(self._process)
        self._is_ready = False

    def begin(self, cancellation: Cancellation) -> None:
        """Wait until the component is ready. Raises what `ask` does, and `Unavailable` where it cannot be started."""
        limit_s = self.image.limits.start_s
        answer = self._exchange(b"", limit_s, f"was not ready within {limit_s:g} s", cancellation)
        if answer.get("protocol") != PROTOCOL:
            raise self.failed(f'began with another line than {{"protocol": {PROTOCOL}}}')
        self._is_ready = True

    def ask(self, request: Answer, cancellation: Cancellation) -> Answer:
        """Return the answer to one request.

        Raises:
            ContainerFailed: For a wrong answer, or none in time.
            StepDied: The container ended.
            Cancelled: `cancellation` was thrown.
        """
        limit_s = self.image.limits.time_s
        line = json.dumps(request, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        answer = self._exchange(line, limit_s, f"did not answer within {limit_s:g} s", cancellation)
        if answer.get("id") != request["id"]:
            raise self.failed(f"answered with the id {answer.get('id')!r:.80} instead of {request['id']}")
        return answer

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request and wrote nothing that was not asked for."""
        return self._process.poll() is None and not self._conversation.has_more()

    def failed(self, why: str) -> ContainerFailed:
        """Return the error that says why its answer is not taken."""
        return ContainerFailed(self.image.component, why=why, log=self.log())

    def log(self) -> str:
        """Return the last lines that it wrote to standard error."""
        return self._conversation.log()

    def kill(self) -> None:
        """Let the guard remove the container; returns at once, and may be called from any thread."""
        # A client whose output is not read would hold up the removal.
        self._process.kill()
        cast("IO[bytes]", self._guard.stdin).close()

    def end(self) -> None:
        """Remove the container, and wait until it is gone."""
        self.kill()
        self._guard.wait()
        self._process.wait()
        self._conversation.close()
        self._temporary.cleanup()

    def _exchange(self, line: bytes, limit_s: float, late: str, cancellation: Cancellation) -> Answer:
        """Write a line and return the object of the line that comes back."""
        try:
            with cancellation.interrupting(self.kill):
                answer = self._conversation.exchange(line, limit_s, self._check_folder)
        except TimeoutError:
            raise self.failed(late) from None
        except LineTooLong:
            raise self.failed(f"wrote a line of more than {LINE_BYTES:,} bytes to standard output") from None
        cancellation.check()
        if answer is None:
            raise self._ended()
        self._check_folder()  # also what was written between the last look and the answer
        return self._parsed(answer)

    def _check_folder(self) -> None:
        if self.folder.is_overfull():
            raise self.failed(f"wrote more than {MOST_BYTES:,} bytes, or too many files, to {INSIDE}/out")

    def _parsed(self, line: bytes) -> Answer:
        try:
            answer = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            shown = line[:80].decode(errors="replace")
            raise self.failed(f"wrote '{shown}' to standard output, which is no JSON") from error
        if not isinstance(answer, dict):
            raise self.failed("wrote a line to standard output that is no JSON object")
        if self._conversation.has_more():
            raise self.failed("wrote more than one line to standard output for one request")
        return answer

    def _ended(self) -> ImageFlowError:
        """Return the error for a container whose output ended."""
        said = f"The container of '{self.image.component}'"
        try:
            status = self._process.wait(timeout=_EXIT_S)
        except subprocess.TimeoutExpired:
            return self.failed("closed its standard output")
        log = last_lines(self.log())
        if not self._is_ready and status in _NOT_STARTED:
            return Unavailable(f"{said} could not be started.{log}")
        if status == _KILLED:  # podman does not say on every system whether it was for want of memory
            limit = f"its limit is {self.image.limits.memory_mb} MB of memory"
            return StepDied(f"{said} was killed before it answered, perhaps for want of memory: {limit}.{log}")
        return StepDied(f"{said} ended with status {status} before it answered.{log}")


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
