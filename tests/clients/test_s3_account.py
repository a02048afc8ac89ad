"""Who we are to S3: as the environment says, or as given, for small objects and for those sent in parts."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from imageflow_clients.multipart import MULTIPART_BYTES
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.objects import ObjectStore
from imageflow_clients.s3_account import S3Account
from imageflow_clients.settings import Settings
from imageflow_domain.errors import StoreUnavailable
from tests.clients.stores import set_variables

_SIGNED_BY = re.compile(r"Credential=([^/]+)/[0-9]+/([^/]+)/s3")


class _Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Refusing)
        self.signed: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Refusing(BaseHTTPRequestHandler):
    """Notes who signed each request, in which region, with which token; refuses all of them."""

    server: _Server

    def _note(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signature = _SIGNED_BY.search(self.headers["Authorization"])
        assert signature is not None
        self.server.signed.append((signature[1], signature[2], self.headers.get("x-amz-security-token")))
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_POST = _note  # noqa: N815 - http.server asks for these names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def write_both_ways(store: ObjectStore) -> None:
    for data in (b"small", bytes(MULTIPART_BYTES)):
        with pytest.raises(StoreUnavailable):
            store.put("key", data)


def test_an_account_that_is_given_signs_every_request(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {"AWS_ACCESS_KEY_ID": "environment", "AWS_SECRET_ACCESS_KEY": "its"})
    account = S3Account(
        endpoint_url=server.url,
        region="moon-1",
        access_key_id="given",
        secret_access_key=SecretStr("hidden1"),
        session_token=SecretStr("token"),
    )
    write_both_ways(open_object_store(Settings(object_store_url="s3://bucket"), account))
    assert set(server.signed) == {("given", "moon-1", "token")}
    assert len(server.signed) >= 2
    assert "hidden1" not in repr(account)


def test_without_one_the_environment_s_account_signs(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(
        monkeypatch,
        {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_ENDPOINT_URL_S3": server.url,
            "AWS_ACCESS_KEY_ID": "environment",
            "AWS_SECRET_ACCESS_KEY": "its",
            "AWS_DEFAULT_REGION": "mars-1",
        },
    )
    write_both_ways(open_object_store(Settings(object_store_url="s3://bucket")))
    assert set(server.signed) == {("environment", "mars-1", None)}


@pytest.mark.parametrize(("said", "allowed"), [("true", True), ("True", True), ("", False), ("yes", False)])
def test_keys_travel_unencrypted_only_where_that_is_said(
    said: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, {"AWS_ALLOW_HTTP": said})
    assert S3Account.of_environment() == S3Account(allow_http=allowed)
