"""`imageflow migrate` on a database of one's own, and those who wait for it."""

from pathlib import Path

import pytest

from tests.cli.here import command_line
from tests.databases import SharedPostgres

pytestmark = pytest.mark.e2e


def test_whoever_waits_says_what_is_missing_and_goes_on_once_another_has_migrated(
    shared_postgres: SharedPostgres, tmp_path: Path
) -> None:
    with command_line(tmp_path / "home", shared_postgres.empty()) as cli:
        waited = cli.run("migrate", "--wait-s", "0", expect=4).stderr
        assert "The database has no tables of ImageFlow yet" in waited
        assert "has no tables" in cli.run("survey", "list", expect=4).stderr, "waiting makes none"
        cli.run("migrate")
        assert cli.run("migrate", "--wait-s", "0").stderr == ""
