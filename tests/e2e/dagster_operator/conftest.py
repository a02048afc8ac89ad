"""One stack on MinIO and PostgreSQL for all that its operator does, in a browser or by what Dagster's UI sends.

A test leaves every survey of it completed: pages count all of them.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page
from pydantic import SecretStr

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from services.minio import Minio
from services.postgres import Postgres
from tests.clients.stores import set_variables
from tests.e2e.dagster_operator.surveys import SMALL, planned
from tests.e2e.dagster_pages import Pages
from tests.e2e.dagster_ui import LAYERS, Ui
from tests.e2e.servers import cli_on
from tests.e2e.stack import Stack, running_stack


@pytest.fixture(scope="package")
def operated(minio: Minio, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack for these tests alone, with retry waits of seconds instead of minutes."""
    cli = cli_on(minio, postgres, tmp_path_factory.mktemp("operated"), IMAGEFLOW_RETRY_WAITS="1 2 8")
    with running_stack(cli) as running:
        yield running


@pytest.fixture
def ui(operated: Stack, minio: Minio) -> Iterator[Ui]:
    yield Ui(operated)
    minio.set_read_only(read_only=False)


@pytest.fixture(scope="package")
def stores(operated: Stack, minio: Minio) -> Iterator[Stores]:
    env = operated.cli.env
    settings = Settings(
        home=operated.cli.home,
        object_store_url=env["IMAGEFLOW_OBJECT_STORE_URL"],
        database_url=SecretStr(env["IMAGEFLOW_DATABASE_URL"]),
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_variables(monkeypatch, minio.environment)
        opened = open_stores(settings)
        yield opened
        opened.database.close()


@pytest.fixture(scope="package")
def whole(operated: Stack, stores: Stores) -> str:
    """A survey that is completed."""
    ui = Ui(operated)
    survey = planned(ui, stores, "whole", "2x2", SMALL, keep="keep")
    run = ui.materialise(LAYERS, survey)
    assert ui.run(run)["status"] == "SUCCESS", ui.why(run)
    operated.await_state(survey, "completed", 60)
    checks = ui.checks("coordinates", survey) | ui.checks("overviews", survey)
    for name, evaluations in checks.items():
        (one,) = evaluations
        assert (one.status, one.partition) == ("SUCCEEDED", survey), (name, one)
    assert len(checks) == 7
    return survey


@pytest.fixture(scope="module")
def pages(operated: Stack, tab: Page) -> Pages:
    return Pages(operated, tab)
