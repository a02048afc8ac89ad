"""Who may call what, as pure rules."""

import pytest

from imageflow_domain.access import LOCAL_OPERATOR
from imageflow_domain.errors import Forbidden, InvalidInput, TooLarge
from imageflow_edge.addresses import Addresses, public_origin
from imageflow_edge.admission import Call, Operation, admit

LOCAL = Addresses(host="127.0.0.1", port=8080)
OPEN = Addresses(host="0.0.0.0", port=8080, machine="builder")  # noqa: S104 - what `--host` may be given
NAMED = Addresses(host="maps.lan", port=80)
PUBLIC = Addresses(host="127.0.0.1", port=8080, public=public_origin("https://maps.example.com"))
WRITE = Operation(name="POST /api/jobs", is_write=True, most_bytes=100)
READ = Operation(name="GET /api/v1/surveys", is_write=False, most_bytes=100)


def call(
    authority: str, origin: str | None, *, scheme: str = "http", operation: Operation = WRITE, size: int | None = None
) -> Call:
    return Call(
        scheme=scheme, authority=authority, origin=origin, credentials=None, operation=operation, size_bytes=size
    )


@pytest.mark.parametrize(
    ("own", "scheme", "authority", "origin"),
    [
        (LOCAL, "http", "127.0.0.1:8080", None),
        (LOCAL, "http", "localhost:8080", "http://localhost:8080"),
        (LOCAL, "http", "LOCALHOST:8080", "http://localhost:8080"),
        (LOCAL, "http", "[::1]:8080", "http://[::1]:8080"),
        (NAMED, "http", "maps.lan", "http://maps.lan"),
        (NAMED, "http", "maps.lan:80", "http://maps.lan"),
        (OPEN, "http", "192.168.1.20:8080", "http://192.168.1.20:8080"),
        (OPEN, "http", "builder:8080", "http://builder:8080"),
        (PUBLIC, "https", "maps.example.com", "https://maps.example.com"),
        (PUBLIC, "https", "maps.example.com:443", "https://maps.example.com"),
        (PUBLIC, "https", "Maps.Example.com", None),
        (PUBLIC, "http", "127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_own_pages_and_programs_may_write(own: Addresses, scheme: str, authority: str, origin: str | None) -> None:
    assert admit(call(authority, origin, scheme=scheme), own) == LOCAL_OPERATOR


@pytest.mark.parametrize(
    ("own", "scheme", "authority", "origin"),
    [
        (LOCAL, "http", "", None),
        (LOCAL, "http", "evil.example:8080", None),  # a rebound name
        (LOCAL, "http", "127.0.0.1", None),  # the port is missing
        (LOCAL, "http", "127.0.0.1:9090", None),
        (LOCAL, "http", "127.0.0.1:8080@evil.example", None),
        (LOCAL, "http", "192.168.1.20:8080", None),
        (LOCAL, "http", "127.0.0.1:99999", None),
        (OPEN, "http", "evil.example:8080", "http://evil.example:8080"),
        (LOCAL, "http", "builder:8080", None),
        (LOCAL, "http", "127.0.0.1:8080", "http://evil.example"),
        (LOCAL, "http", "127.0.0.1:8080", "http://127.0.0.1:3000"),  # another program of this machine
        (LOCAL, "http", "127.0.0.1:8080", "http://localhost:8080"),
        (LOCAL, "http", "127.0.0.1:8080", "https://127.0.0.1:8080"),
        (LOCAL, "http", "127.0.0.1:8080", "null"),
        (LOCAL, "http", "127.0.0.1:8080", ""),
        (PUBLIC, "http", "maps.example.com", "http://maps.example.com"),  # not through the proxy's TLS
        (PUBLIC, "https", "maps.example.com:8443", None),
        (PUBLIC, "https", "maps.example.com.evil.example", None),
        (PUBLIC, "https", "maps.example.com", "https://evil.example"),
        (PUBLIC, "https", "maps.example.com", "http://127.0.0.1:8080"),
    ],
)
def test_no_other_page_or_address_may_write(own: Addresses, scheme: str, authority: str, origin: str | None) -> None:
    with pytest.raises(Forbidden):
        admit(call(authority, origin, scheme=scheme), own)


def test_reads_are_admitted_at_every_address() -> None:
    assert admit(call("evil.example", "http://evil.example", operation=READ), LOCAL) == LOCAL_OPERATOR


def test_more_bytes_than_the_operation_takes_are_refused_before_they_are_read() -> None:
    assert admit(call("127.0.0.1:8080", None, size=100), LOCAL) == LOCAL_OPERATOR
    with pytest.raises(TooLarge, match="larger than the 100 bytes"):
        admit(call("127.0.0.1:8080", None, size=101), LOCAL)


def test_a_refusal_names_the_address_to_use_and_the_settings_of_a_proxy() -> None:
    with pytest.raises(Forbidden) as refused:
        admit(call("maps.example.com", None), LOCAL)
    assert str(refused.value) == (
        "Writes are taken on this deployment's own address only, not on 'http://maps.example.com': use "
        "http://127.0.0.1:8080. Behind a proxy, set IMAGEFLOW_PUBLIC_URL and IMAGEFLOW_TRUSTED_PROXIES."
    )
    with pytest.raises(Forbidden, match=r"use https://maps\.example\.com\."):
        admit(call("maps.example.com", None), PUBLIC)


@pytest.mark.parametrize(
    "url", ["https://maps.example.com", "https://maps.example.com/", "http://[::1]:8443", "https://Maps.Example.com"]
)
def test_a_public_url_is_scheme_host_and_port(url: str) -> None:
    assert str(public_origin(url)) == url.lower().rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "maps.example.com",
        "ftp://maps.example.com",
        "https://maps.example.com/maps",
        "https://user:hidden1@maps.example.com",
        "https://maps.example.com?x=1",
        "https://:443",
        "https://maps.example.com:99999",
        "",
    ],
)
def test_any_other_public_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="must look like https://maps") as refused:
        public_origin(url)
    assert "hidden1" not in str(refused.value)
