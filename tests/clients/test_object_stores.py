"""Opening the object store that settings name."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageflow_clients.object_stores import open_object_store
from imageflow_clients.settings import Settings
from imageflow_domain.errors import Conflict, InvalidInput, ObjectMissing, StoreUnavailable


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((StoreUnavailable, Conflict), match="file"):
        open_object_store(Settings(object_store_url=(tmp_path / "file" / "folder").as_uri()))


@pytest.mark.parametrize("url", ["http://host/x", "s3://", "folder", "file://host/x", "file:x"])
def test_a_url_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="must look like s3://bucket/prefix or file:///folder"):
        open_object_store(Settings(object_store_url=url))


@pytest.fixture
def s3_requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An S3 that has one object, `kept`, and refuses every write; gives the requests that it received."""
    asked: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                head = connection.recv(65536).decode().splitlines()
                asked.append(head[0].rpartition(" ")[0])
                answer = {
                    "GET /bucket/pre/fix/kept": '200 OK\r\nLast-Modified: Sat, 01 Jan 2028 00:00:00 GMT\r\nETag: "1"',
                    "PUT /bucket/pre/fix/kept": "403 Forbidden",
                }.get(asked[-1], "404 Not Found")
                body = "data" if answer.startswith("200") else "<Error><Code>NoSuchKey</Code></Error>"
                connection.sendall(
                    f"HTTP/1.1 {answer}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
                )

    thread = threading.Thread(target=serve)
    thread.start()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden1")
    yield asked
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_bucket_is_asked_by_path_below_its_prefix_and_its_refusals_are_explained(s3_requests: list[str]) -> None:
    store = open_object_store(Settings(object_store_url="s3://bucket/pre/fix"))
    assert store.get("kept", next_step="-") == b"data"
    with pytest.raises(ObjectMissing):
        store.get("gone", next_step="-")
    with pytest.raises(StoreUnavailable, match="does not let this account write 'kept': give") as caught:
        store.put("kept", b"new")
    assert "hidden1" not in str(caught.value)
    assert s3_requests == ["GET /bucket/pre/fix/kept", "GET /bucket/pre/fix/gone", "PUT /bucket/pre/fix/kept"]


def test_a_bucket_that_does_not_answer_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden1")
    store = open_object_store(Settings(object_store_url="s3://bucket", store_deadline_s=1))
    with pytest.raises(StoreUnavailable, match=r"'s3://bucket' at 127\.0\.0\.1:1, does not answer: start it"):
        store.put("kept", b"new")


def test_keys_go_unencrypted_to_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://example.invalid")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden1")
    with pytest.raises(StoreUnavailable, match="AWS_ALLOW_HTTP=true"):
        open_object_store(Settings(object_store_url="s3://bucket")).get("kept", next_step="-")
