"""What only servers do: addresses for a while, uploads in parts, deadlines; and what they refuse, in words."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from imageflow_clients.multipart import MULTIPART_BYTES
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.objects import ObjectStore
from imageflow_clients.settings import Settings
from imageflow_domain.errors import InvalidInput, ObjectMissing, StoreUnavailable
from services.minio import POLICY, Minio
from services.rclone import Rclone
from tests.clients.lossy import losing_one_answer
from tests.clients.stores import empty_bucket, set_variables
from tests.e2e.stack import wait_for

SERVERS = ["rclone", "minio"]
LIFE = timedelta(minutes=1)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Minio | Rclone]:
    """A server that the test may stop and close to writers."""
    real: Minio | Rclone = request.getfixturevalue(request.param)
    yield real
    if real.pid is None:
        real.start()
    real.set_read_only(read_only=False)


@pytest.fixture
def store(server: Minio | Rclone, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    return empty_bucket(server, monkeypatch, deadline_s=2)


def test_an_address_reads_or_writes_one_object_until_its_life_is_over(store: ObjectStore) -> None:
    store.put("a/b c.webp", b"data")
    short = store.sign("GET", "a/b c.webp", life=timedelta(seconds=1))
    assert httpx.get(store.sign("GET", "a/b c.webp", life=LIFE)).content == b"data"
    assert httpx.put(store.sign("PUT", "new", life=LIFE), content=b"theirs").is_success
    assert store.get("new", next_step="-") == b"theirs"
    assert httpx.put(store.sign("GET", "new", life=LIFE), content=b"again").is_client_error
    other = store.sign("GET", "new", life=LIFE).replace("/new?", "/a/b%20c.webp?")
    assert httpx.get(other).is_client_error
    time.sleep(2.1)
    assert httpx.get(short).is_client_error
    assert store.get("new", next_step="-") == b"theirs"


def test_addresses_of_no_life_or_a_long_one_and_of_folders_are_refused(store: ObjectStore, tmp_path: Path) -> None:
    for life in (timedelta(0), timedelta(days=8)):
        with pytest.raises(InvalidInput, match="for seven days at most"):
            store.sign("GET", "a", life=life)
    with pytest.raises(InvalidInput, match="gives no addresses: read and write through the API"):
        open_object_store(Settings(object_store_url=tmp_path.as_uri())).sign("GET", "a", life=LIFE)


def test_a_wrong_secret_is_said_at_once_whatever_is_asked_and_never_shown(
    server: Minio | Rclone, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = empty_bucket(server, monkeypatch, AWS_SECRET_ACCESS_KEY="hidden1-hidden1")
    begun = time.monotonic()
    for ask in (
        wrong.check,
        lambda: wrong.put("a", b"-"),
        lambda: wrong.put("a", bytes(MULTIPART_BYTES)),
        lambda: wrong.get("a", next_step="-"),
        lambda: wrong.head("a"),
        lambda: wrong.delete("a"),
        lambda: list(wrong.list()),
    ):
        with pytest.raises(
            StoreUnavailable, match=r"refuses our keys: mend AWS_ACCESS_KEY_ID and AWS_SECRET"
        ) as caught:
            ask()
        assert "hidden1" not in str(caught.value)
    assert time.monotonic() - begun < 5


def test_an_account_that_nobody_knows_is_said_at_once(server: Minio | Rclone, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = empty_bucket(server, monkeypatch, AWS_ACCESS_KEY_ID="nobody-here")
    with pytest.raises(StoreUnavailable, match="refuses our keys"):
        unknown.check()


def test_a_missing_bucket_is_said_at_once_whatever_is_asked(
    server: Minio | Rclone, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = empty_bucket(server, monkeypatch, IMAGEFLOW_OBJECT_STORE_URL="s3://missing")
    begun = time.monotonic()
    for ask in (
        missing.check,
        lambda: missing.put("a", b"-"),
        lambda: missing.put("a", bytes(MULTIPART_BYTES)),
        lambda: missing.get("a", next_step="-"),
    ):
        # An account that may see its own bucket alone is not told whether there are others.
        with pytest.raises(
            StoreUnavailable, match=r"has no such bucket: create it|right to \w+, or mend the bucket's name"
        ):
            ask()
    assert time.monotonic() - begun < 5


def test_a_bucket_that_turns_read_only_refuses_in_words_and_keeps_what_it_has(
    server: Minio | Rclone, store: ObjectStore
) -> None:
    store.put("kept", b"former")
    server.set_read_only(read_only=True)
    for request, ask in (
        ("write", lambda: store.put("kept", b"new")),
        ("write", lambda: store.put("kept", bytes(MULTIPART_BYTES))),
        ("delete", lambda: store.delete("kept")),
        ("delete", lambda: store.delete_many(["kept"])),
    ):
        refused = rf"does not let this account {request} 'kept': give the account the right to {request}"
        with pytest.raises(StoreUnavailable, match=rf"{refused}|fails with 'kept'.*its own log"):
            ask()
    assert store.get("kept", next_step="-") == b"former"
    server.set_read_only(read_only=False)
    store.put("kept", b"new")
    assert store.get("kept", next_step="-") == b"new"


def test_a_server_that_comes_back_in_time_is_waited_for(
    server: Minio | Rclone, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = empty_bucket(server, monkeypatch, deadline_s=20)
    store.put("before", b"1")
    server.stop()
    with ThreadPoolExecutor(3) as pool:
        asked = [
            pool.submit(store.put, "after", b"2"),
            pool.submit(store.put, "large", bytes(MULTIPART_BYTES)),
            pool.submit(store.get, "before", next_step="-"),
        ]
        time.sleep(1)
        assert not any(one.done() for one in asked)
        server.start()  # by this thread: a server dies with the thread that started it
        assert asked[2].result() == b"1"
        assert [one.result() for one in asked[:2]] == [None, None]
    assert store.get("after", next_step="-") == b"2"


def test_a_server_that_is_down_is_given_up_by_the_deadline_in_words(server: Minio | Rclone, store: ObjectStore) -> None:
    server.stop()
    for ask in (lambda: store.put("a", b"-"), lambda: list(store.list()), lambda: store.head("a"), store.check):
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"does not answer: start it, or mend AWS_ENDPOINT_URL"):
            ask()
        assert time.monotonic() - begun < 5


def test_parts_of_an_upload_that_fails_half_way_are_taken_back(minio: Minio, monkeypatch: pytest.MonkeyPatch) -> None:
    store = empty_bucket(minio, monkeypatch, deadline_s=5)
    full = keyed(store, "large")
    closing = threading.Thread(target=close_after_first_part, args=(minio, full))
    closing.start()
    with pytest.raises(StoreUnavailable, match="does not let this account write 'large': give"):
        store.put("large", bytes(200 * 2**20))
    closing.join()
    minio.set_policy(POLICY)
    assert minio.unfinished(full) == []
    assert not store.exists("large")


def test_an_upload_is_whole_where_only_the_answer_to_its_completion_was_lost(
    server: Minio | Rclone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def completes(method: str, path: str) -> bool:
        return method == "POST" and "uploadId=" in path

    data = os.urandom(MULTIPART_BYTES + 1)
    with losing_one_answer(server.environment["AWS_ENDPOINT_URL"], completes) as endpoint:
        store = empty_bucket(server, monkeypatch, AWS_ENDPOINT_URL=endpoint)
        store.put("large", data)
        assert store.get("large", next_step="-") == data


def test_an_upload_that_was_taken_away_fails_by_its_own_reason_and_leaves_the_former_object(
    server: Minio | Rclone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_away(_: str, path: str) -> bool:
        if "partNumber=2" in path:
            store.delete_unfinished(timedelta(0))
        return False

    with losing_one_answer(server.environment["AWS_ENDPOINT_URL"], take_away) as endpoint:
        store = empty_bucket(server, monkeypatch, AWS_ENDPOINT_URL=endpoint)
        store.put("large", b"former")
        with pytest.raises(StoreUnavailable, match=r"failed on 'large': .*NoSuchUpload.* CompleteMultipartUpload"):
            store.put("large", bytes(MULTIPART_BYTES))
        assert store.get("large", next_step="-") == b"former"


def keyed(store: ObjectStore, key: str) -> str:
    """Return a key as the bucket knows it."""
    path = store.sign("GET", key, life=LIFE).partition("?")[0]
    return re.sub(r"^http://[^/]+/imageflow/", "", path)


def close_after_first_part(minio: Minio, key: str) -> None:
    """Take the right to write, but not the one to abort, once an upload is under way."""
    while not minio.unfinished(key):
        time.sleep(0.01)
    rights = json.loads(json.dumps(POLICY).replace('"s3:PutObject", ', ""))
    minio.set_policy(rights)


def test_parts_of_a_writer_that_was_killed_are_taken_back_once_they_are_old(
    server: Minio | Rclone, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = empty_bucket(server, monkeypatch)
    client = boto3.session.Session().client("s3")
    left, others = ({"Bucket": "imageflow", "Key": key} for key in (keyed(store, "left"), "others/left"))
    for upload in (left, others):
        upload["UploadId"] = client.create_multipart_upload(**upload)["UploadId"]
        client.upload_part(**upload, PartNumber=1, Body=b"-")
    assert store.delete_unfinished(timedelta(hours=1)) == 0
    assert store.delete_unfinished(timedelta(0)) == 1
    with pytest.raises(ClientError):
        client.upload_part(**left, PartNumber=2, Body=b"-")
    client.abort_multipart_upload(**others)


def test_where_nothing_was_begun_in_parts_there_is_nothing_to_take_back(
    server: Minio | Rclone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also right after the server was started, when rclone has never heard of the bucket."""
    store = empty_bucket(server, monkeypatch)
    server.stop(signal.SIGKILL)
    server.start()
    assert store.delete_unfinished(timedelta(0)) == 0


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """A server that takes connections and never answers; gives those that it took."""
    taken: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def take() -> None:
        while True:
            try:
                taken.append(listener.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=take)
    thread.start()
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    set_variables(
        monkeypatch, {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    )
    yield taken
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for connection in taken:
        connection.close()


def test_requests_at_once_are_bounded_and_those_that_wait_are_over_by_the_same_deadline(
    silent: list[socket.socket],
) -> None:
    store = open_object_store(Settings(object_store_url="s3://bucket", store_deadline_s=1, store_requests=3))
    begun = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(store.put, f"n/{number}", b"-") for number in range(12)]
        time.sleep(0.5)
        assert len(silent) == 3
        assert all(isinstance(one.exception(), StoreUnavailable) for one in asked)
    assert time.monotonic() - begun < 3
    assert "did not answer in time" in str(asked[0].exception()) or "does not answer" in str(asked[0].exception())


def test_a_missing_object_of_a_bucket_that_is_there_is_missing_and_nothing_else(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing, match=r"^No object at 'a/b': take it again\.$"):
        store.get("a/b", next_step="take it again")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [(Minio, "is full: free some space"), (Rclone, r"fails with '\w+' and does not say why: its own log")],
)
def test_a_server_whose_disk_is_full_says_so_loses_nothing_and_goes_on_once_there_is_room(
    kind: type[Minio | Rclone], sentence: str, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["mount", "-o", "remount,size=150m", str(small_disk)], check=True)
    server = kind(small_disk / "s3")
    try:
        store = empty_bucket(server, monkeypatch, deadline_s=3)
        store.put("kept", b"former")
        with (small_disk / "filler").open("wb") as filler, suppress(OSError):
            while True:
                filler.write(bytes(2**16))
                filler.flush()
        for key, data in (("kept", bytes(2**18)), ("large", bytes(MULTIPART_BYTES))):
            with pytest.raises(StoreUnavailable, match=sentence):
                store.put(key, data)
        assert store.get("kept", next_step="-") == b"former"
        (small_disk / "filler").unlink()
        wait_for(lambda: _taken(store), 30, lambda: "there is room again, but nothing is taken")
        assert [one.key for one in store.list()] == ["kept"]
    finally:
        server.stop()


def _taken(store: ObjectStore) -> bool | None:
    try:
        store.put("kept", b"new")
    except StoreUnavailable:
        return None
    return store.get("kept", next_step="-") == b"new"
