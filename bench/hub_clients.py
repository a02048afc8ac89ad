"""The clients of the bench `hub`, a thousand and more in one process of their own: `python -m bench.hub_clients`.

One selector over plain sockets, on the standard library alone and without a garbage collector: what receiving costs is
part of each time that is measured, and the clients share the cores with what they measure. Times are taken when a read
returns. Nothing is parsed before every stream has ended.
"""

import gc
import json
import math
import resource
import selectors
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

READY = "ready"
"""The line that says that every client has its first event."""

_LAST_S = 30.0
"""How long the last event may take to reach every client once standard input is closed."""

_LOOK_S = 1.0

_CHUNK_BYTES = 2**16

Done = tuple[str, str]
"""Block and layer that have become whole."""


@dataclass
class Client:
    """What one client read, and when, in seconds since 1970."""

    wire: socket.socket
    read: list[tuple[float, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class Received:
    """What one client received."""

    done_at: dict[Done, float]
    """When each block's layer was first reported as done, in seconds since 1970."""
    twice: int
    """Events whose id it had received before."""

    @classmethod
    def of(cls, read: Iterable[tuple[float, bytes]]) -> "Received":
        """Parse what a client read; pure. An event is received with its last line."""
        done_at: dict[Done, float] = {}
        ids = []
        for at, line in _lines(read):
            if line.startswith(b"data: "):
                for done in _done_in(line):
                    done_at.setdefault(done, at)
            elif line.startswith(b"id: "):
                ids.append(line)
        return cls(done_at, len(ids) - len(set(ids)))

    @classmethod
    def from_json(cls, given: str) -> "list[Received]":
        """Return what the process of the clients printed."""
        return [cls({(block, layer): at for block, layer, at in done}, twice) for done, twice in json.loads(given)]


def _lines(read: Iterable[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    rest = b""
    for at, chunk in read:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield at, line


@cache
def _done_in(line: bytes) -> frozenset[Done]:
    event = json.loads(line.removeprefix(b"data: "))
    return frozenset(
        (block["key"], layer["layer"])
        for block in event.get("blocks", ())
        for layer in block["layers"]
        if layer["state"] == "done"
    )


def _receive(port: int, path: str, count: int) -> list[Client]:
    """Open every stream, print `READY`, and read until all have ended or the time is up."""
    clients = [_open(port, path) for _ in range(count)]
    print(READY, flush=True)
    deadline = math.inf
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.wire, selectors.EVENT_READ, client)
        selector.register(sys.stdin, selectors.EVENT_READ)
        streams = count
        while streams and time.monotonic() < deadline:
            for key, _ in selector.select(_LOOK_S):
                if key.data is None:
                    selector.unregister(sys.stdin)
                    deadline = time.monotonic() + _LAST_S
                elif not _read(key.data):
                    selector.unregister(key.data.wire)
                    streams -= 1
    return clients


def _open(port: int, path: str) -> Client:
    """Return a client once it has its first event."""
    client = Client(socket.create_connection(("127.0.0.1", port)))
    client.wire.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
    while not any(b"\n\n" in chunk for _, chunk in client.read):  # which only an event ends with
        if not _read(client):
            raise RuntimeError(f"The stream ended early: {client.read}")
    return client


def _read(client: Client) -> bool:
    """Read what has come, and return whether more may come."""
    chunk = client.wire.recv(_CHUNK_BYTES)
    client.read.append((time.time(), chunk))
    return bool(chunk)


def main(arguments: Sequence[str]) -> None:
    """Watch a path of a port of this machine with so many clients, and print what each received as JSON."""
    port, path, count = arguments
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()
    received = [Received.of(client.read) for client in _receive(int(port), path, int(count))]
    json.dump([[[[*done, at] for done, at in one.done_at.items()], one.twice] for one in received], sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
