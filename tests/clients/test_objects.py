import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from imageflow_clients import objects
from imageflow_clients.multipart import MULTIPART_BYTES
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.objects import ObjectStore
from imageflow_clients.settings import Settings
from imageflow_clients.store_frames import StoreFrames
from imageflow_clients.unfinished import files_below
from imageflow_domain.errors import Conflict, InvalidInput, NotFound, ObjectMissing, StoreUnavailable
from tests.clients.servers import ROOT
from tests.clients.stores import empty_bucket
from tests.domain.names import ANY_NAMES


@pytest.fixture
def folder_store(tmp_path: Path) -> ObjectStore:
    return open_object_store(Settings(home=tmp_path))


@pytest.fixture(params=["folder", "rclone", "minio"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """Every kind of store, empty: what follows holds for each."""
    if request.param == "folder":
        empty: ObjectStore = request.getfixturevalue("folder_store")
        return empty
    return empty_bucket(request.getfixturevalue(request.param), monkeypatch)


@pytest.fixture(params=["rclone", "minio"])
def server_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    return empty_bucket(request.getfixturevalue(request.param), monkeypatch)


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return sorted(stored.key for stored in store.list(prefix))


def test_an_object_is_read_back_as_it_was_written_and_replaced_whole(store: ObjectStore) -> None:
    store.put("a/b c.webp", b"first")
    before = store.head("a/b c.webp")
    store.put("a/b c.webp", b"another")
    after = store.head("a/b c.webp")
    assert store.get("a/b c.webp", next_step="-") == b"another"
    assert before is not None
    assert after is not None
    assert (after.key, after.size) == ("a/b c.webp", 7)
    assert before.etag != after.etag


def test_an_object_of_a_folder_is_a_file_of_that_name(folder_store: ObjectStore, tmp_path: Path) -> None:
    folder_store.put("a/b c.webp", b"data")
    assert (tmp_path / "objects" / "a" / "b c.webp").read_bytes() == b"data"


def test_pages_are_those_of_all_keys_in_order_whatever_the_page_and_wherever_it_begins(store: ObjectStore) -> None:
    names = ["aa", "a-1/x", "a/0", "a/b/c", "a/b/d", "a/b.x", "a0", "b/é", "b/~", "b10/x", "b1/x", "c/z/z/z"]
    for name in names:
        store.put(f"up/{name}", name.encode())
    store.put("upper", b"")
    expected = sorted(store.list("up"), key=lambda stored: stored.key)
    assert [stored.key for stored in expected] == sorted(stored.key for stored in expected)
    for size in (1, 2, 5, 100):
        pages, after = [], ""
        while page := store.list_page("up", after=after, limit=size):
            assert len(page) <= size
            pages += page
            after = page[-1].key
        assert pages == expected
    for after in ("up/a0", "up/a/b0", "up/b", "up/b1/x0", "up/zzz"):
        found = [stored.key for stored in store.list_page("up", after=after, limit=100)]
        assert found == [stored.key for stored in expected if stored.key > after]
    assert store.list_page("nowhere", limit=3) == ()


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("folders", [1, 2, 200])
def test_pages_of_folders_are_those_of_all_keys_in_their_order(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, limit: int, folders: int
) -> None:
    monkeypatch.setattr(objects, "_FOLDERS_A_PAGE", folders)
    names = ["a-1/x", "a/0", "a/b/c", "a/b/d", "a/b.x", "b/é", "b/~", "b10/x", "b1/x", "c/z/z/z"]
    for name in names:
        store.put(f"up/{name}", name.encode())
    expected = sorted(stored.key for stored in store.list("up"))
    for begin in ("", *expected, "up/a/b0", "up/a-", "up/a/", "up/b", "up/b1/x0", "up/zzz"):
        found, after, is_last = [], begin, False
        while not is_last:
            page, is_last = store.list_page_of_folders("up", after=after, limit=limit)
            assert len(page) <= limit
            assert page or is_last
            found += [stored.key for stored in page]
            after = found[-1] if found else begin
        assert found == [key for key in expected if key > begin]
    assert store.list_page_of_folders("nowhere", limit=limit) == ((), True)


def test_a_folder_that_others_empty_meanwhile_takes_every_object(folder_store: ObjectStore) -> None:
    """Who deletes the last object of a folder takes the folder away, also from under a writer."""

    def write_and_delete(number: int) -> None:
        for _ in range(1000):
            folder_store.put(f"a/b/{number}", b"data")
            folder_store.delete(f"a/b/{number}")

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(write_and_delete, range(2))) == [None, None]


def test_unfinished_files_are_swept_while_others_fill_and_empty_folders(
    folder_store: ObjectStore, tmp_path: Path
) -> None:
    over = threading.Event()

    def fill_and_empty() -> None:
        while not over.is_set():
            for number in range(50):
                folder_store.put(f"a/{number}/b/c/d/object", b"-")
            for number in range(50):
                folder_store.delete(f"a/{number}/b/c/d/object")

    half = tmp_path / "objects" / "left" / "half.webp#1"
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(fill_and_empty)
        try:
            for _ in range(200):
                half.parent.mkdir(parents=True, exist_ok=True)
                half.write_bytes(b"RIFF")
                folder_store.delete_unfinished(timedelta(hours=1))
                assert half.exists()
                os.utime(half, (0, 0))
                assert folder_store.delete_unfinished(timedelta(hours=1)) == 1
                assert not half.exists()
        finally:
            over.set()
        busy.result()


def test_a_folder_that_is_there_and_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="symbolic links"):
        list(files_below(loop))
    assert list(files_below(tmp_path / "gone")) == []


@pytest.mark.parametrize("size", [MULTIPART_BYTES - 1, MULTIPART_BYTES, 50_000_000])
def test_large_objects_are_read_back_as_they_were_written(store: ObjectStore, size: int) -> None:
    data = random.Random(size).randbytes(size)  # noqa: S311 - no secret
    store.put("large", data)
    assert store.get("large", next_step="-") == data
    store.put("large", b"small")
    assert store.get("large", next_step="-") == b"small"


def test_objects_are_removed_by_the_hundreds_and_those_that_are_gone_are_no_error(store: ObjectStore) -> None:
    names = [f"m/{number}" for number in range(1_100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put(name, name.encode()), names))
    assert keys(store, "m") == sorted(names)
    store.put("kept", b"-")
    assert store.delete_many(["gone", *names[:600]]) == 601
    assert store.delete_prefix("m") == 500
    assert keys(store) == ["kept"]


def test_a_store_that_answers_passes_its_check(store: ObjectStore) -> None:
    store.check()


def test_a_missing_object_is_named_with_what_to_do(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing, match=r"^No object at 'a/b': materialise tiles again\.$"):
        store.get("a/b", next_step="materialise tiles again")
    assert store.head("a/b") is None
    assert not store.exists("a/b")
    store.delete("a/b")


def test_folders_are_listed_by_name_and_never_by_the_beginning_of_one(store: ObjectStore) -> None:
    for key in ("s/1/a", "s/1/b/c", "s/10/a", "s/2", "t/1"):
        store.put(key, b"-")
    assert keys(store, "s/1") == keys(store, "s/1/") == ["s/1/a", "s/1/b/c"]
    assert [stored.key for stored in store.list_files("s/1")] == ["s/1/a"]
    assert store.list_folders("s") == ("1", "10")
    assert keys(store, "nowhere") == []
    assert store.delete_prefix("s/1") == 2
    assert keys(store) == ["s/10/a", "s/2", "t/1"]


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", ".", "a\\b", "a\0b", "a\nb", "a#1", "a/" * 600 + "a"]
)
def test_a_key_that_could_mean_something_else_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(InvalidInput, match="not a valid object key"):
        store.put(key, b"-")


@pytest.mark.parametrize("name", ANY_NAMES)
def test_any_name_of_a_file_stands_in_its_key_as_it_is(store: ObjectStore, name: str) -> None:
    key = f"uploads/{name}"
    store.put(key, b"-")
    assert store.get(key, next_step="-") == b"-"
    assert [stored.key for stored in store.list_page("uploads/", limit=9)] == [key]
    assert [stored.key for stored in store.list("uploads")] == [key]
    assert [stored.key for stored in store.list_files("uploads/")] == [key]
    store.delete(key)
    assert not store.exists(key)


def test_names_that_look_alike_are_objects_of_their_own(store: ObjectStore) -> None:
    for place, name in enumerate(ANY_NAMES):
        store.put(f"uploads/{name}", bytes([place]))
    for place, name in enumerate(ANY_NAMES):
        assert store.get(f"uploads/{name}", next_step="-") == bytes([place])
    assert store.delete_prefix("uploads/") == len(ANY_NAMES)


@pytest.mark.parametrize("name", ANY_NAMES)
def test_an_address_of_any_name_reads_that_object(server_store: ObjectStore, name: str) -> None:
    server_store.put(f"uploads/{name}", name.encode())
    address = server_store.sign("GET", f"uploads/{name}", life=timedelta(minutes=1))
    assert address.isascii()
    assert httpx.get(address).content == name.encode()


def test_a_long_name_that_is_written_by_a_process_that_was_killed_is_shown_to_nobody(
    folder_store: ObjectStore, tmp_path: Path
) -> None:
    name = "x" * 251 + ".jpg"
    folder_store.put(f"a/{name}", b"whole")
    (folder,) = (path.parent for path in tmp_path.rglob("*.jpg"))
    (folder / "#123").write_bytes(b"half")
    assert keys(folder_store) == [f"a/{name}"]
    assert folder_store.delete_unfinished(timedelta(0)) == 1


def test_a_name_cannot_be_a_file_and_a_folder(folder_store: ObjectStore) -> None:
    folder_store.put("a/b", b"-")
    for key in ("a", "a/b/c", "a/b/" + "c" * 255):
        with pytest.raises(Conflict, match="a file and a folder at once"):
            folder_store.put(key, b"-")
    assert keys(folder_store) == ["a/b"]


def test_what_does_not_fit_on_the_disk_leaves_the_former_object_whole(
    folder_store: ObjectStore, tmp_path: Path
) -> None:
    folder_store.put("kept", b"former")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from imageflow_clients.object_stores import open_object_store\n"
        "from imageflow_clients.settings import Settings\n"
        "store = open_object_store(Settings(home=Path(sys.argv[1])))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "store.put('kept', bytes(9_000_000))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "StoreUnavailable: The object store, the folder" in done.stderr.splitlines()[-1]
    assert folder_store.get("kept", next_step="-") == b"former"
    assert [path.name for path in (tmp_path / "objects").iterdir()] == ["kept"]


def test_a_full_disk_is_one_clear_sentence_and_nothing_stays_of_the_object(small_disk: Path) -> None:
    store = open_object_store(Settings(object_store_url=small_disk.as_uri()))
    store.put("a/kept", b"former")
    for key in ("a/kept", "b/new"):
        with pytest.raises(StoreUnavailable, match=r"is full: free some space, then try again\.$"):
            store.put(key, bytes(20_000_000))
    assert store.get("a/kept", next_step="-") == b"former"
    assert keys(store) == ["a/kept"]
    assert [path for path in small_disk.rglob("*") if path.is_file()] == [small_disk / "a" / "kept"]


def test_a_writer_that_is_killed_leaves_no_half_object(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from imageflow_clients.object_stores import open_object_store\n"
        "from imageflow_clients.settings import Settings\n"
        "store = open_object_store(Settings(home=Path(sys.argv[1])))\n"
        "for number in range(1000):\n"
        "    store.put(f'n/{number}', bytes([number % 256]) * 3_000_000)\n"
        "    store.put('same', bytes([number % 256]) * 3_000_000)\n"
        "    print(number, flush=True)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    while writer.stdout.readline().strip() != "9":
        assert writer.poll() is None
    writer.kill()
    writer.communicate()
    store = open_object_store(Settings(home=tmp_path))
    for stored in store.list():
        data = store.get(stored.key, next_step="-")
        assert len(data) == stored.size == 3_000_000
        assert len(set(data)) == 1


def test_frames_of_an_uploaded_folder_are_its_own_files_only(store: ObjectStore) -> None:
    for name in ("b.png", "a.png", "positions.csv", "inner/c.png"):
        store.put(f"uploads/maps/g/s/{name}", name.encode())
    frames = StoreFrames(store, "uploads/maps/g/s")
    assert list(frames.names()) == ["a.png", "b.png", "positions.csv"]
    assert frames.size("a.png") == 5
    assert frames.read("b.png") == b"b.png"
    assert frames.label == "uploads/maps/g/s"
    with pytest.raises(NotFound):
        frames.size("c.png")
    with pytest.raises(NotFound):
        frames.read("c.png")
    with pytest.raises(InvalidInput, match="upload the frames first"):
        StoreFrames(store, "uploads/maps/g/empty").names()


@pytest.mark.parametrize(
    ("key", "bucket", "here"),
    [
        ("pre/fix/a/b", "bucket", "a/b"),
        ("pre/fix/a/b", None, "a/b"),
        ("pre/fix/a/b", "other", None),
        ("pre/fixed/a", "bucket", None),
        ("a/b", "bucket", None),
    ],
)
def test_what_a_bucket_tells_of_is_found_below_the_stores_prefix(
    key: str, bucket: str | None, here: str | None
) -> None:
    assert open_object_store(Settings(object_store_url="s3://bucket/pre/fix")).key_of(key, bucket=bucket) == here


def test_a_whole_bucket_and_a_folder_are_told_of_by_their_own_keys(store: ObjectStore) -> None:
    whole = open_object_store(Settings(object_store_url="s3://bucket"))
    assert whole.key_of("a/b", bucket="bucket") == "a/b"
    assert whole.key_of("a/b", bucket="other") is None
    place = store.where("a/b").removeprefix("s3://")
    told = ("a/b", None) if store.where("a/b") == place else (place.partition("/")[2], place.partition("/")[0])
    assert store.key_of(told[0], bucket=told[1]) == "a/b"
