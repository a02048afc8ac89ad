"""Backup and restore on real servers: from MinIO and PostgreSQL to another S3 server and an empty database."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import psycopg
import pytest
from httpx import ASGITransport

from imageflow_backup.catalogue import read_backup
from imageflow_clients.backup_store import open_backup_store
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.objects import ObjectStore
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain import keys
from imageflow_domain.backup import Archive, Backup, Part
from imageflow_domain.survey import Carrier
from imageflow_gateway.app import create_app
from imageflow_resources.storage import make_tables
from imageflow_surveys import states
from imageflow_surveys.plan import plan_survey
from services.minio import Minio
from services.postgres import Postgres
from services.rclone import Rclone
from services.s3_server import BUCKET
from tests.cli.here import Here, within
from tests.e2e.servers import cli_on
from tests.e2e.stack import SURVEY_FOLDER, Cli, environment
from tests.surveys.cities import city, published

pytestmark = pytest.mark.e2e

SURVEY = "openttd-example-0001"
OLD = "2020-02-02T020202.000000Z"


class Site:
    """A survey on MinIO and PostgreSQL, its backups on rclone's S3, and empty stores to restore into."""

    def __init__(self, folder: Path, minio: Minio, postgres: Postgres, rclone: Rclone) -> None:
        self._rclone = rclone
        self._postgres = postgres
        self._folder = folder
        self._restored = 0
        self.key = folder / "key.txt"
        self._at_home = environment(folder / "home")
        with within(Cli(home=folder / "home", env=self._at_home)) as here:
            public = here.run("backup", "key", str(self.key)).stdout.strip()
        of_backups = rclone.environment
        self.variables = {
            "IMAGEFLOW_BACKUP_URL": f"s3://{BUCKET}/{folder.name}",
            "IMAGEFLOW_BACKUP_ENDPOINT_URL": of_backups["AWS_ENDPOINT_URL"],
            "IMAGEFLOW_BACKUP_ACCESS_KEY_ID": of_backups["AWS_ACCESS_KEY_ID"],
            "IMAGEFLOW_BACKUP_SECRET_ACCESS_KEY": of_backups["AWS_SECRET_ACCESS_KEY"],
            "IMAGEFLOW_BACKUP_RECIPIENTS": public,
        }
        self.cli = cli_on(minio, postgres, folder, **self.variables)

    @contextmanager
    def here(self) -> Iterator[Here]:
        """The command line where the survey is."""
        with within(self.cli) as here:
            yield here

    @contextmanager
    def empty(self) -> Iterator[Here]:
        """The command line on an empty database, and an empty folder of the other S3 server."""
        self._restored += 1
        name = f"{self._folder.name}_to_{self._restored}".replace("-", "_").lower()
        self._postgres.create_database(name)
        home = self._folder / name / "home"
        home.mkdir(parents=True)
        variables = {
            **self._rclone.environment,
            **self.variables,
            "IMAGEFLOW_OBJECT_STORE_URL": f"s3://{BUCKET}/{name}",
            "IMAGEFLOW_DATABASE_URL": self._postgres.url(name),
        }
        with within(Cli(home=home, env=environment(home, **variables))) as here:
            yield here


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, minio: Minio, postgres: Postgres, rclone: Rclone, corner: Path
) -> Site:
    """A survey that was made by command line, backed up once."""
    site = Site(tmp_path_factory.mktemp("backed_up"), minio, postgres, rclone)
    with site.here() as here:
        here.run(*SURVEY_FOLDER, str(corner))
        here.run("backup", "database")
        here.run("backup", "objects")
    return site


def test_a_restored_survey_opens_through_the_api_with_the_same_tiles(site: Site) -> None:
    with site.here() as here:
        before = opened(here)
        rows = rows_of(Settings())
    with site.empty() as here:
        done = here.json("restore", "--identity", str(site.key))
        after = opened(here)
        assert rows_of(Settings()) == rows
        assert [one["survey"] for one in here.json("survey", "list")] == [SURVEY]
        stores = open_stores(Settings())
        with stores.database:
            again = plan_survey(stores, states.read(stores, SURVEY).spec, Carrier.OPERATOR)
        assert again.id == "openttd-example-0002"
    assert after == before
    assert done["compared"] == min(100, done["objects"]) > 20
    assert rows["dagster.runs"] == 1 < rows["dagster.event_logs"]


def test_objects_that_changed_since_a_backup_are_restored_as_they_were(site: Site) -> None:
    with site.here() as here:
        objects = open_object_store(Settings())
        objects.put("models/note/1/changed", b"before")
        objects.put("models/note/1/deleted", b"before")
        here.run("backup", "objects")
        name = here.json("backup", "database")["backup"]
        objects.put("models/note/1/changed", b"after!")
        objects.delete("models/note/1/deleted")
        objects.put("models/note/1/new", b"after!")
        assert here.json("backup", "objects") == {"copied": 2, "bytes": 12, "replaced": 2}
        objects.delete_prefix("models/note")
        here.run("backup", "objects")
    with site.empty() as here:
        here.run("restore", name, "--identity", str(site.key))
        restored = open_object_store(Settings())
        for one in ("changed", "deleted"):
            assert restored.get(f"models/note/1/{one}", next_step="") == b"before"


def test_a_private_key_of_another_is_refused(site: Site, tmp_path: Path) -> None:
    with site.empty() as here:
        here.run("backup", "key", str(tmp_path / "other.txt"))
        said = here.run("restore", "--identity", str(tmp_path / "other.txt"), expect=2).stderr
        assert "name the file of the right private key" in said
        assert is_empty(Settings())


def test_a_backup_of_a_newer_schema_is_refused(site: Site) -> None:
    newer = {"schema_revision": "9999", "oldest_program": "99.0"}
    said = refused(site, lambda backup, parts: (backup.model_copy(update=newer), parts), expect=2)
    assert "needs ImageFlow 99.0 or newer" in said


def test_a_backup_without_one_of_its_parts_is_refused(site: Site) -> None:
    said = refused(site, lambda backup, parts: (backup, parts[:-1]), expect=3)
    assert f"part 1 of 1 of backup '{OLD}'" in said


def test_a_part_that_is_too_short_is_refused(site: Site) -> None:
    said = refused(site, lambda backup, parts: (backup, [*parts[:-1], parts[-1][:-1000]]), expect=3)
    assert "is damaged in the store" in said


def test_an_archive_that_ends_early_is_refused_and_nothing_of_it_stays(site: Site) -> None:
    def shorten(backup: Backup, parts: list[bytes]) -> tuple[Backup, list[bytes]]:
        shorter = [*parts[:-1], parts[-1][:-1000]]
        archive = backup.archives[0]
        named = tuple(Part(size=len(part), sha256=hashlib.sha256(part).hexdigest()) for part in shorter)
        archives = (Archive(database=archive.database, parts=named, rows=archive.rows),)
        return backup.model_copy(update={"archives": archives}), shorter

    assert "is truncated, or was changed" in refused(site, shorten, expect=2)


def test_other_numbers_of_rows_than_were_dumped_are_named(site: Site) -> None:
    def count(backup: Backup, parts: list[bytes]) -> tuple[Backup, list[bytes]]:
        archive = backup.archives[0]
        archives = (archive.model_copy(update={"rows": {**archive.rows, "public.surveys": 7}}),)
        return backup.model_copy(update={"archives": archives}), parts

    said = refused(site, count, expect=1, leaves_empty=False)
    assert f"1 tables have other numbers of rows than backup '{OLD}': public.surveys 1 of 7." in said


def test_stores_that_hold_something_are_refused(site: Site) -> None:
    with site.here() as here:
        said = here.run("restore", "--identity", str(site.key), expect=1).stderr
        assert "tables already: restore into an empty database" in said
    with site.empty() as here:
        open_object_store(Settings()).put("uploads/maps/one", b"1")
        said = here.run("restore", "--identity", str(site.key), expect=1).stderr
        assert "holds objects already" in said
        assert is_empty(Settings())


def test_a_missing_object_is_named_after_the_restore(site: Site) -> None:
    with site.empty() as here:
        said = here.run("restore", "--identity", str(site.key), "--keep-objects", expect=1).stderr
        assert "sampled objects are missing or are not those of backup" in said
        assert not is_empty(Settings())


def test_a_new_backup_removes_those_that_are_too_old(site: Site) -> None:
    with site.here() as here:
        store = open_backup_store(Settings())
        copy_backup(store, lambda backup, parts: (backup, parts))
        store.put(keys.backup_part("2021-02-02T020202.000000Z", "imageflow", 0), b"of a process that was killed")
        assert OLD in [one["backup"] for one in here.json("backup", "list")]
        assert f"Backup '{OLD}' is whole" in here.run("backup", "check", OLD).stdout
        here.run("backup", "database")
        assert not [one for one in store.list_folders(keys.BACKUPS) if one < "2022"]


def test_settings_that_cannot_make_a_backup_are_one_sentence(site: Site, tmp_path: Path) -> None:
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.1'\n")
    (tmp_path / "pg_dump").chmod(0o755)
    (tmp_path / "empty").mkdir()
    for name in ("pg_restore", "psql"):
        (tmp_path / name).touch()
    inside = f"{site.cli.env['IMAGEFLOW_OBJECT_STORE_URL']}/backups"
    own = {name.replace("AWS", "IMAGEFLOW_BACKUP"): value for name, value in site.cli.env.items() if "AWS_" in name}
    for changed, code, sentence in (
        ({"IMAGEFLOW_BACKUP_URL": ""}, 2, "Set IMAGEFLOW_BACKUP_URL"),
        ({"IMAGEFLOW_BACKUP_RECIPIENTS": ""}, 2, "`imageflow backup key FILE` makes a pair"),
        ({"IMAGEFLOW_BACKUP_RECIPIENTS": "age1nobody"}, 2, "'age1nobody' is no public key of age"),
        ({"IMAGEFLOW_BACKUP_URL": inside, **own}, 2, "lie inside one another"),
        ({"IMAGEFLOW_BACKUP_SECRET_ACCESS_KEY": "hidden1"}, 4, "refuses our keys"),
        (
            {"IMAGEFLOW_POSTGRES_PROGRAMS": str(tmp_path)},
            4,
            "The server is PostgreSQL 18, and pg_dump here is of version 12",
        ),
        ({"IMAGEFLOW_POSTGRES_PROGRAMS": str(tmp_path / "empty")}, 2, "lacks pg_dump, pg_restore, psql"),
    ):
        with within(Cli(home=site.cli.home, env={**site.cli.env, **changed})) as here:
            done = here.run("backup", "database", expect=code)
        assert sentence in done.stderr
        assert "hidden1" not in done.stderr


def test_one_machine_is_restored_from_a_folder(tmp_path: Path) -> None:
    backups = {"IMAGEFLOW_BACKUP_URL": (tmp_path / "backups").as_uri()}
    home = tmp_path / "here" / "home"
    home.parent.mkdir()
    with within(Cli(home=home, env=environment(home, **backups))) as here:
        public = here.run("backup", "key", str(tmp_path / "key.txt")).stdout.strip()
    backups["IMAGEFLOW_BACKUP_RECIPIENTS"] = public
    with within(Cli(home=home, env=environment(home, **backups))) as here:
        stores = open_stores(Settings())
        with stores.database:
            survey = published(stores, city("home")).id
        make_tables(Settings())
        before = opened(here, survey)
        here.run("backup", "database")
        here.run("backup", "objects")
    other = tmp_path / "there" / "home"
    other.parent.mkdir()
    with within(Cli(home=other, env=environment(other, **backups))) as here:
        here.run("restore", "--identity", str(tmp_path / "key.txt"))
        assert opened(here, survey) == before


Change = Callable[[Backup, list[bytes]], tuple[Backup, list[bytes]]]


def copy_backup(store: ObjectStore, change: Change) -> None:
    """Write the newest backup again as an old one, changed."""
    backup = read_backup(store)
    (archive,) = backup.archives
    parts = [
        store.get(keys.backup_part(backup.name, archive.database, number), next_step="")
        for number in range(len(archive.parts))
    ]
    changed, written = change(backup, parts)
    store.delete_prefix(keys.backup(OLD))
    for number, part in enumerate(written):
        store.put(keys.backup_part(OLD, archive.database, number), part)
    store.put(keys.backup_manifest(OLD), changed.model_copy(update={"name": OLD}).model_dump_json().encode())


def refused(site: Site, change: Change, *, expect: int, leaves_empty: bool = True) -> str:
    """Return what the restore of a changed backup says, which it refuses."""
    with site.empty() as here:
        copy_backup(open_backup_store(Settings()), change)
        said = here.run("restore", OLD, "--identity", str(site.key), expect=expect).stderr
        assert is_empty(Settings()) is leaves_empty
    return said


def opened(here: Here, survey: str = SURVEY) -> Mapping[str, object]:
    """Return a finished survey and one of its tiles as the API gives them, without what names the machine."""
    settings = Settings()
    stores = open_stores(settings)
    with stores.database:
        app = create_app(settings, stores)

        async def ask() -> Mapping[str, object]:
            transport = ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url=settings.gateway_url) as client:
                facts = (await client.get(f"/api/v1/surveys/{survey}")).raise_for_status().json()
                tilejson = (await client.get(f"/tiles/{survey}/tilejson.json")).raise_for_status().json()
                zoom, x, y = tilejson["maxzoom"], 0, 0
                template = tilejson["tiles"][0]
                tiles = {}
                for z in range(tilejson["minzoom"], zoom + 1):
                    address = template.format(z=z, x=x, y=y).partition("/tiles/")[2]
                    answer = await client.get(f"/tiles/{address}")
                    if answer.is_success:
                        tiles[address] = hashlib.sha256(answer.content).hexdigest()
                assert tiles
                return {"state": facts["state"], "tiles": tiles}

        return anyio.run(ask)


def rows_of(settings: Settings) -> Mapping[str, int]:
    """Return the rows of each table of both schemas, but for the note of the last backup, which is written after it."""
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        found = connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('public', 'dagster')"
        ).fetchall()
        counts = {
            str(table): connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for (table,) in found
        }
    return {table: count for table, count in counts.items() if table != "public.backups"}


def is_empty(settings: Settings) -> bool:
    """Whether the database has no tables."""
    assert settings.database_url is not None
    with psycopg.connect(settings.database_url.get_secret_value()) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'dagster')"
        ).fetchone()
    return tables == (0,)
