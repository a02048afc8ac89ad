"""Who may write, as pure rules."""

import pytest

from imageflow_domain.errors import Refused
from imageflow_gateway.guard import OwnAddress, check_write

LOCAL = OwnAddress(host="127.0.0.1", port=8080)
OPEN = OwnAddress(host="0.0.0.0", port=8080)  # noqa: S104 - what `--host` may be given
NAMED = OwnAddress(host="maps.lan", port=80)


@pytest.mark.parametrize(
    ("own", "host", "origin"),
    [
        (LOCAL, "127.0.0.1:8080", None),
        (LOCAL, "localhost:8080", "http://localhost:8080"),
        (LOCAL, "LOCALHOST:8080", "http://localhost:8080"),
        (LOCAL, "[::1]:8080", "http://[::1]:8080"),
        (NAMED, "maps.lan", "http://maps.lan"),
        (NAMED, "maps.lan:80", "http://maps.lan"),
        (OPEN, "192.168.1.20:8080", "http://192.168.1.20:8080"),
    ],
)
def test_own_pages_and_programs_may_write(own: OwnAddress, host: str, origin: str | None) -> None:
    check_write(own, scheme="http", host=host, origin=origin)


@pytest.mark.parametrize(
    ("own", "host", "origin"),
    [
        (LOCAL, "", None),
        (LOCAL, "evil.example:8080", None),  # a rebound name
        (LOCAL, "127.0.0.1", None),  # the port is missing
        (LOCAL, "127.0.0.1:9090", None),
        (LOCAL, "127.0.0.1:8080@evil.example", None),
        (LOCAL, "192.168.1.20:8080", None),
        (LOCAL, "127.0.0.1:99999", None),
        (OPEN, "evil.example:8080", "http://evil.example:8080"),
        (LOCAL, "127.0.0.1:8080", "http://evil.example"),
        (LOCAL, "127.0.0.1:8080", "http://127.0.0.1:3000"),  # another program of this machine
        (LOCAL, "127.0.0.1:8080", "http://localhost:8080"),
        (LOCAL, "127.0.0.1:8080", "https://127.0.0.1:8080"),
        (LOCAL, "127.0.0.1:8080", "null"),
        (LOCAL, "127.0.0.1:8080", ""),
    ],
)
def test_nobody_else_may(own: OwnAddress, host: str, origin: str | None) -> None:
    with pytest.raises(Refused):
        check_write(own, scheme="http", host=host, origin=origin)
