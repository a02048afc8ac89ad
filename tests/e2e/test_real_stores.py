"""Surveys wholly on MinIO and a given PostgreSQL: the same tile bytes as on the folder and the embedded server."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from services.minio import Minio
from services.postgres import Postgres
from services.s3_server import BUCKET
from tests.cli.here import within
from tests.e2e.servers import cli_on, tiles_in_bucket
from tests.e2e.stack import SURVEY_FOLDER, Cli

pytestmark = pytest.mark.e2e

SURVEY = "openttd-example-0001"


@pytest.fixture
def command(corner: Path) -> Sequence[str]:
    """Surveys the corner."""
    return (*SURVEY_FOLDER, str(corner))


@pytest.fixture
def served(minio: Minio, postgres: Postgres, tmp_path: Path) -> Iterator[Cli]:
    """The command line on the servers: an empty database, and a prefix of its own in the bucket."""
    yield cli_on(minio, postgres, tmp_path, IMAGEFLOW_RETRY_WAITS="1 2 5")
    for server in (minio, postgres):
        if server.pid is None:
            server.start()
    minio.set_read_only(read_only=False)


def test_a_survey_by_command_line_makes_the_same_tile_bytes_and_nothing_is_kept_at_home(
    served: Cli, minio: Minio, command: Sequence[str], tiles_in_folder: dict[str, str]
) -> None:
    with within(served) as here:
        here.run(*command)
    assert tiles_in_bucket(served, minio) == tiles_in_folder != {}
    assert not (served.home / "postgres").exists()
    assert not (served.home / "objects").exists()


def test_a_survey_outlives_servers_that_are_gone_for_a_while(
    served: Cli,
    minio: Minio,
    postgres: Postgres,
    command: Sequence[str],
    tiles_in_folder: dict[str, str],
) -> None:
    running = begin(served, command)
    await_objects(served, minio)
    for server in (minio, postgres):
        server.stop()
    time.sleep(2)
    for server in (minio, postgres):
        server.start()
    _, said = running.communicate(timeout=240)
    if running.returncode != 0:  # Dagster may have been about to note what a step did, which it does not try again
        assert f"imageflow survey resume {SURVEY}" in said
        with within(served) as here:
            here.run("survey", "resume", SURVEY)
    assert tiles_in_bucket(served, minio) == tiles_in_folder


def test_a_survey_whose_bucket_turns_read_only_says_so_and_goes_on_once_it_may_write(
    served: Cli, minio: Minio, command: Sequence[str], tiles_in_folder: dict[str, str]
) -> None:
    running = begin(served, command)
    await_objects(served, minio)
    minio.set_read_only(read_only=True)
    _, said = running.communicate(timeout=240)
    minio.set_read_only(read_only=False)
    assert running.returncode == 4, said
    assert "give the account the right to write" in said
    with within(served) as here:
        here.run("survey", "resume", SURVEY)
    assert tiles_in_bucket(served, minio) == tiles_in_folder


def begin(cli: Cli, command: Sequence[str]) -> "subprocess.Popen[str]":
    """Start a command; what it says of its end is on its standard error."""
    return subprocess.Popen(
        [sys.executable, "-m", "imageflow_cli.main", *command],
        env=cli.env,
        cwd=cli.home.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def await_objects(cli: Cli, minio: Minio) -> None:
    """Wait until a survey is under way: something of it is in the bucket."""
    prefix = cli.env["IMAGEFLOW_OBJECT_STORE_URL"].removeprefix(f"s3://{BUCKET}/")
    deadline = time.monotonic() + 60
    while not minio.holds(f"{prefix}/"):
        assert time.monotonic() < deadline, "the survey wrote nothing"
        time.sleep(0.02)


def test_wrong_stores_are_one_sentence_before_anything_is_begun(
    served: Cli, postgres: Postgres, command: Sequence[str]
) -> None:
    postgres.create_database("not_migrated")
    for variable, wrong, sentence in (
        ("IMAGEFLOW_DATABASE_URL", postgres.url("not_migrated"), "has no tables of ImageFlow yet"),
        ("AWS_SECRET_ACCESS_KEY", "hidden1", "refuses our keys"),
        ("IMAGEFLOW_OBJECT_STORE_URL", "s3://missing", "correct the bucket's name"),
        ("IMAGEFLOW_DATABASE_URL", served.env["IMAGEFLOW_DATABASE_URL"] + "_not", "does not exist"),
    ):
        with within(Cli(home=served.home, env={**served.env, variable: wrong})) as here:
            said = here.run(*command, expect=4).stderr
        assert sentence in said
        assert "hidden1" not in said
    with within(served) as here:
        assert here.json("survey", "list") == []
