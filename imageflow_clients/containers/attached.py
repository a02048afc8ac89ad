"""A component's standard streams, and the folder that it shares with the exchange server, through the API server."""

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from typing_extensions import override

from imageflow_clients.containers.channels import Channel, Channels, ChannelsClosed
from imageflow_clients.containers.exchange_folder import Exchange, FolderLost, WrongOutput
from imageflow_clients.containers.stdio import READ_BYTES, Stdio, Turn

ReadLog = Callable[[], bytes]

_ANSWER_S = 60.0
"""For the exchange server to go on with an answer."""
_LINE_BYTES = 65_536
_CHUNK_BYTES = 2**17


class AttachedStdio(Stdio):
    """The standard streams of a component that was started before it was attached to.

    What it wrote before is in its log alone. Its first line is looked for there until something comes by itself.
    """

    def __init__(self, channels: Channels, read_log: ReadLog, is_first: Callable[[bytes], bool]) -> None:
        """Take over a connection that was just opened.

        Args:
            channels: To the component.
            read_log: Returns the last lines of its log, standard output and error in one.
            is_first: Whether a line is the first one of its output.
        """
        self.is_over = False
        self._channels = channels
        self._read_log = read_log
        self._is_first = is_first
        self._awaits_first = True
        self._first = b""
        """The first line, where the log had it: the connection may bring it, too."""
        self._seen = b""
        """What the log had before the first line."""

    @override
    def turn(self, unsent: bytes, wait_s: float) -> Turn:
        log = b""
        if self._awaits_first:
            log = self._look_into_log()
            if self._first:
                return Turn(output=self._first, log=log, unsent=unsent)
        try:
            if unsent:
                self._channels.send(unsent[:READ_BYTES])
                unsent = unsent[READ_BYTES:]
            received = self._channels.receive(0 if unsent else wait_s)
        except ChannelsClosed:
            self.is_over = True
            return Turn(log=log)
        channel, data = received or (None, b"")
        if channel is Channel.STDOUT:
            self._awaits_first = False
            repeated, self._first = self._first, b""
            return Turn(output=data.removeprefix(repeated), log=log, unsent=unsent)
        if channel is Channel.STDERR and not self._awaits_first:
            log = data
        return Turn(log=log, unsent=unsent)

    @override
    def close(self) -> None:
        self._channels.close()

    def _look_into_log(self) -> bytes:
        """Note the first line, where the log has it, and return what is new in the log before it."""
        text = self._read_log()
        before = b""
        for line in text.splitlines(keepends=True):
            if line.endswith(b"\n") and self._is_first(line):
                self._first = line
                self._awaits_first = False
                break
            before += line
        seen, self._seen = self._seen, before
        return before.removeprefix(seen)


class EndedStdio(Stdio):
    """The standard streams of a component that ended before it could be attached to: its log is left."""

    is_over = True

    def __init__(self, read_log: ReadLog) -> None:
        """Read nothing yet."""
        self._read_log: ReadLog | None = read_log

    @override
    def turn(self, unsent: bytes, wait_s: float) -> Turn:
        read, self._read_log = self._read_log, None
        return Turn(log=read()) if read else Turn()

    @override
    def close(self) -> None:
        pass


class RemoteFolder(Exchange):
    """The folder of a component's pod, as the exchange server there serves it."""

    def __init__(self, channels: Channels) -> None:
        """Take over a connection to the exchange server."""
        self._channels = channels
        self._pending = b""
        self._said = b""
        """The last of what the server wrote to standard error."""

    @override
    def write(self, name: str, data: Iterable[bytes]) -> str:
        content = b"".join(data)
        return str(self._ask({"do": "write", "name": name, "size": len(content)}, content)["path"])

    @override
    def read(self, name: str) -> bytes | None:
        answer = self._ask({"do": "read", "name": name})
        return None if answer.get("is_missing") else self._bytes(answer["size"])

    @override
    def is_overfull(self) -> bool:
        return bool(self._ask({"do": "look"})["is_overfull"])

    @override
    def clear(self) -> None:
        self._ask({"do": "clear"})

    def reaches(self, host: str, port: int, wait_s: float) -> bool:
        """Return whether the pod reaches a server that listens."""
        return bool(self._ask({"do": "dial", "host": host, "port": port, "wait_s": wait_s})["is_reached"])

    def _ask(self, request: dict[str, Any], content: bytes = b"") -> dict[str, Any]:
        sent = memoryview(json.dumps(request).encode() + b"\n" + content)
        try:
            for start in range(0, len(sent), _CHUNK_BYTES):
                self._channels.send(bytes(sent[start : start + _CHUNK_BYTES]))
        except (ChannelsClosed, TimeoutError) as error:
            raise self._lost(error) from error
        while b"\n" not in self._pending:
            self._pending += self._more()
        line, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "wrong" in answer:
            raise WrongOutput(answer["wrong"])
        if "failed" in answer:
            raise OSError(answer["failed"])
        return answer

    def _bytes(self, size: int) -> bytes:
        parts, got = [self._pending], len(self._pending)
        while got < size:
            parts.append(self._more())
            got += len(parts[-1])
        whole = b"".join(parts)
        self._pending = whole[size:]
        return whole[:size]

    def _more(self) -> bytes:
        deadline_s = time.monotonic() + _ANSWER_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                received = self._channels.receive(left_s)
            except ChannelsClosed as error:
                raise self._lost(error) from error
            channel, data = received or (None, b"")
            if channel is Channel.STDOUT:
                return data
            if channel is Channel.STDERR:
                self._said = (self._said + data)[-_LINE_BYTES:]
        raise FolderLost("The exchange server does not answer.")

    def _lost(self, error: Exception) -> FolderLost:
        said = self._said.decode(errors="replace").strip().splitlines()
        return FolderLost(f"The exchange server has ended: {said[-1] if said else error}")
