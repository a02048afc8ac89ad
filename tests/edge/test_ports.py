"""A process says why it cannot listen."""

import socket

import pytest

from imageflow_domain.errors import InvalidInput, Unavailable
from imageflow_edge.ports import check_port


def test_check_port_tells_what_is_wrong() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as Granian listens
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unavailable, match=r"in use.*IMAGEFLOW_ANY_PORT"):
            check_port("127.0.0.1", taken.getsockname()[1], "IMAGEFLOW_ANY_PORT")
    with pytest.raises(InvalidInput, match="no address of this machine"):
        check_port("203.0.113.7", 8080, "IMAGEFLOW_ANY_PORT")
