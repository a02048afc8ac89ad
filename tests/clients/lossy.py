"""A way to a server on which one answer is lost: the request was done, and the client gets no answer."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@contextmanager
def losing_one_answer(server: str, loses: Callable[[str, str], bool]) -> Iterator[str]:
    """Give the address of a way to `server`.

    Args:
        server: Its address.
        loses: Whether the answer to this method and path is lost; once it has been, all others arrive.
    """
    lost = threading.Event()

    class Way(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            there = http.client.HTTPConnection(urlsplit(server).netloc)
            there.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "expect":
                    there.putheader(name, value)
            there.endheaders(body)
            answer = there.getresponse()
            told = answer.read()
            there.close()
            if not lost.is_set() and loses(self.command, self.path):
                lost.set()
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                    self.send_header(name, value)
            length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - the names that its base looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    way = ThreadingHTTPServer(("127.0.0.1", 0), Way)
    thread = threading.Thread(target=way.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{way.server_address[1]}"
    finally:
        way.shutdown()
        thread.join()
        way.server_close()
