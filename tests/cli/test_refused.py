"""`imageflow refused` lists uploads of both lines that became nothing."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from imageflow_clients.settings import Settings
from imageflow_domain import keys
from imageflow_inspection.intake import IntakeCursor, notice_batches
from imageflow_resources.stores import shared_stores
from imageflow_surveys.uploads import notice_uploads
from tests.cli.here import Here, command_line


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Here]:
    with command_line(tmp_path_factory.mktemp("refused"), databases()) as here:
        yield here
        shared_stores(Settings()).database.close()


def test_uploads_that_became_nothing_are_listed_with_the_reason(cli: Here, tmp_path: Path) -> None:
    assert "No upload was refused" in cli.run("refused").stderr
    stores = shared_stores(Settings())
    stores.objects.put(keys.map_upload_file("city", "a", "monday", "r00_c00.png"), b"no picture")
    stores.objects.put(keys.map_upload_file("city", "a", "monday", keys.DONE_MARKER), b"")
    notice_uploads(stores)
    stores.objects.put(keys.inspection_upload_file("nothing", "b1", "a.png"), b"no picture")
    notice_batches(stores, IntakeCursor(), now=datetime.now(UTC) + timedelta(hours=1))
    of_maps, of_inspection = json.loads(cli.run("refused", "--json").stdout)
    assert (of_maps["line"], of_maps["key"]) == ("map", "uploads/maps/city/a/monday")
    assert "r00_c00.png" in of_maps["reason"]
    assert (of_inspection["line"], of_inspection["key"]) == ("inspection", "uploads/inspection/nothing/b1")
    lines = cli.run("refused").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["map", "inspection"]
    assert len(json.loads(cli.run("refused", "--json", "--limit", "1").stdout)) == 2
