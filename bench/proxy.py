"""A connection that can be cut: a TCP proxy on 127.0.0.1 between a client and a server on this machine."""

import socket
import threading
from contextlib import suppress
from typing import Self

_CHUNK = 65_536


class Proxy:
    """Passes bytes on to a port of this machine; while cut, it drops what was connected and refuses what comes."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._turn = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = _listen(0)
        self.port = int(self._listener.getsockname()[1])
        self._accepting()

    def cut(self) -> None:
        """Drop every connection, and refuse new ones."""
        with self._turn:
            _close(self._listener)
            for end in self._open:
                _close(end)
            self._open.clear()

    def mend(self) -> None:
        """Take connections again, on the same port."""
        self._listener = _listen(self.port)
        self._accepting()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def _accepting(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # cut
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                client.close()  # the server is down: so is the connection to it
                continue
            server.settimeout(None)
            with self._turn:
                self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # either end may go at any moment, and that is the end of both
            while data := source.recv(_CHUNK):
                sink.sendall(data)
        with self._turn:
            self._open -= {source, sink}
        _close(source)
        _close(sink)


def _listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), reuse_port=False, backlog=128)


def _close(end: socket.socket) -> None:
    """Close a socket while a thread waits on it."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
