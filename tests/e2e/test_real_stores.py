"""Surveys wholly on MinIO and a given PostgreSQL: the same tile bytes as on the folder and the embedded server."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.minio import Minio
from services.postgres import Postgres
from services.s3_server import BUCKET
from tests.e2e.servers import cli_on, tiles_in_bucket
from tests.e2e.stack import EXAMPLE, Cli

pytestmark = pytest.mark.e2e

NAMES = ("survey", "run", "--driver", "folder", "--source", str(EXAMPLE), "--game", "openttd")


@pytest.fixture
def served(minio: Minio, postgres: Postgres, tmp_path: Path) -> Iterator[Cli]:
    """The command line on the servers: an empty database, and a prefix of its own in the bucket."""
    yield cli_on(minio, postgres, tmp_path)
    for server in (minio, postgres):
        if server.pid is None:
            server.start()
    minio.set_read_only(read_only=False)


def test_a_survey_by_command_line_makes_the_same_tile_bytes_and_nothing_is_kept_at_home(
    served: Cli, minio: Minio, tiles_in_folder: dict[str, str]
) -> None:
    served.run(*NAMES, "--save", "example")
    assert tiles_in_bucket(served, minio) == tiles_in_folder != {}
    assert not (served.home / "postgres").exists()
    assert not (served.home / "objects").exists()


def test_a_survey_outlives_servers_that_are_gone_for_a_while(
    served: Cli, minio: Minio, postgres: Postgres, tiles_in_folder: dict[str, str]
) -> None:
    carried = threading.Thread(target=served.run, args=(*NAMES, "--save", "example"))
    carried.start()
    await_objects(served, minio)
    for server in (minio, postgres):
        server.stop()
    time.sleep(2)
    for server in (minio, postgres):
        server.start()
    carried.join()
    served.attempt("survey", "resume", "openttd-example-0001")
    assert tiles_in_bucket(served, minio) == tiles_in_folder


def test_a_survey_whose_bucket_turns_read_only_says_so_and_goes_on_once_it_may_write(
    served: Cli, minio: Minio, tiles_in_folder: dict[str, str]
) -> None:
    said: list[str] = []
    carried = threading.Thread(target=lambda: said.append(served.run(*NAMES, "--save", "example", expect=1).stderr))
    carried.start()
    await_objects(served, minio)
    minio.set_read_only(read_only=True)
    carried.join()
    minio.set_read_only(read_only=False)
    assert "give this account access" in said[0]
    served.run("survey", "resume", "openttd-example-0001")
    assert tiles_in_bucket(served, minio) == tiles_in_folder


def await_objects(cli: Cli, minio: Minio) -> None:
    """Wait until a survey is under way: something of it is in the bucket."""
    prefix = cli.env["IMAGEFLOW_OBJECT_STORE_URL"].removeprefix(f"s3://{BUCKET}/")
    deadline = time.monotonic() + 60
    while not minio.holds(f"{prefix}/"):
        assert time.monotonic() < deadline, "the survey wrote nothing"
        time.sleep(0.02)


def test_wrong_stores_are_one_sentence_before_anything_is_begun(served: Cli) -> None:
    for variable, wrong, sentence in (
        ("AWS_SECRET_ACCESS_KEY", "hidden1", "refuses our keys"),
        ("IMAGEFLOW_OBJECT_STORE_URL", "s3://missing", "mend the bucket's name"),
        ("IMAGEFLOW_DATABASE_URL", served.env["IMAGEFLOW_DATABASE_URL"] + "_not", "does not exist"),
    ):
        wrongly = Cli(home=served.home, env={**served.env, variable: wrong})
        said = wrongly.run(*NAMES, "--save", "example", expect=4).stderr
        assert sentence in said
        assert "hidden1" not in said
    assert served.json("survey", "list") == []
