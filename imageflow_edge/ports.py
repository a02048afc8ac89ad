"""Whether an address and port are free. Servers share a port that is in use, or report it in unclear words."""

import errno
import socket

from imageflow_domain.errors import InvalidInput, Unavailable


def check_port(host: str, port: int, variable: str) -> None:
    """Raise `Unavailable` or `InvalidInput` where this process cannot listen; `variable` sets the port."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                f"Port {port} of {host} is in use: stop what listens there, or set {variable}."
            ) from error
        if error.errno == errno.EACCES:
            raise Unavailable(f"Port {port} is reserved for the system: set {variable} above 1023.") from error
        raise InvalidInput(f"'{host}' is no address of this machine: set IMAGEFLOW_HOST to one.") from error
