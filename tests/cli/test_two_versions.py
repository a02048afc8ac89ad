"""A newer ImageFlow migrates the database while this one surveys: the schema is one step newer than this one knows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from tests.cli.begun import begun, taking
from tests.cli.here import Here, command_line

pytestmark = pytest.mark.e2e

_NEXT = """
ALTER TABLE surveys ADD COLUMN added_later text;
ALTER TABLE screenshots ADD COLUMN added_later integer NOT NULL DEFAULT 0;
CREATE TABLE added_later (survey_id text PRIMARY KEY REFERENCES surveys (id) ON DELETE CASCADE);
UPDATE alembic_version SET version_num = '9999';
"""


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Here]:
    with command_line(tmp_path / "home") as cli:
        yield cli


@pytest.fixture
def stores(cli: Here) -> Iterator[Stores]:
    opened = open_stores(Settings(home=cli.home))
    yield opened
    opened.database.close()


def test_a_survey_goes_on_while_a_newer_version_migrates_and_an_older_one_is_refused(cli: Here, stores: Stores) -> None:
    with begun(cli, stores, taking) as (process, survey):
        for statement in filter(str.strip, _NEXT.split(";")):
            # One transaction each: together they could deadlock with the survey's own.
            with stores.database.begin() as connection:
                connection.execute(text(statement))
        process.communicate(timeout=240)
        assert process.returncode == 0
    assert cli.json("survey", "show", survey)["state"] == "completed"
    assert cli.run("migrate").stderr == "The database has schema 9999 already.\n"
    with stores.database.begin() as connection:
        connection.execute(text("UPDATE schema_use SET oldest_program = '99.0.0'"))
    refused = cli.run("survey", "list", expect=4).stderr
    assert "The database has schema 9999, which needs ImageFlow 99.0.0 or newer: update this ImageFlow" in refused
