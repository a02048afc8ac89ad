"""A running stack on MinIO and a given PostgreSQL: a job becomes the same tiles, an upload an inspected batch."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.inspection import Verdict
from services.minio import Minio
from services.postgres import Postgres
from tests.clients.stores import set_variables
from tests.e2e.batches import assert_inspected_and_told
from tests.e2e.servers import cli_on, tiles_in_bucket
from tests.e2e.stack import HTTP, Stack, running_stack
from tests.inspection.lids import lid, published, upload

pytestmark = pytest.mark.e2e


_CORNER = """
title: Some of the example's frames
driver: {{name: folder}}
source: {source}
encoding: {{lossless_method: 0}}
"""


@pytest.fixture(scope="module")
def on_servers(
    minio: Minio, postgres: Postgres, corner: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack in which a batch is closed after three quiet seconds."""
    folder = tmp_path_factory.mktemp("on_servers")
    cli = cli_on(minio, postgres, folder, IMAGEFLOW_UPLOAD_QUIET_S="3")
    (folder / "games" / "corner.yaml").write_text(_CORNER.format(source=corner))
    with running_stack(cli) as stack:
        yield stack


@pytest.fixture
def bucket(on_servers: Stack, minio: Minio, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    """The stores of that stack."""
    set_variables(monkeypatch, minio.environment)
    env = on_servers.cli.env
    settings = Settings(
        home=on_servers.cli.home,
        object_store_url=env["IMAGEFLOW_OBJECT_STORE_URL"],
        database_url=SecretStr(env["IMAGEFLOW_DATABASE_URL"]),
    )
    stores = open_stores(settings)
    yield stores
    stores.database.close()


def test_a_job_of_the_running_stack_makes_the_same_tile_bytes(
    on_servers: Stack, minio: Minio, tiles_in_folder: dict[str, str]
) -> None:
    answer = HTTP.post(
        f"{on_servers.gateway}/api/jobs", json={"game_id": "corner", "save_data_id": "example"}, timeout=60
    )
    assert answer.is_success, answer.text
    on_servers.await_state(answer.json()["survey_id"], "completed", 240)
    assert HTTP.get(f"{on_servers.gateway}/health/ready", timeout=10).is_success
    assert tiles_in_bucket(on_servers.cli, minio) == tiles_in_folder


@pytest.mark.timeout(600)
def test_a_batch_in_a_bucket_is_inspected_once_nobody_writes_to_it(on_servers: Stack, bucket: Stores) -> None:
    published(bucket)
    upload(bucket, "lid", "b1", [lid(), lid(spots=1)])
    assert_inspected_and_told(on_servers, bucket, [Verdict.PASS, Verdict.FAIL])
