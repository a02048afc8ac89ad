"""A database and a folder of objects for each test module, and engines over them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from pydantic import SecretStr

from imageflow_clients.process_meter import ProcessMeter
from imageflow_clients.settings import Settings
from imageflow_clients.step_logging import step_logging
from imageflow_clients.step_process import StepProcesses
from imageflow_clients.stores import Stores, open_stores
from imageflow_engine.resident import Resident
from imageflow_executions.execute import Executor
from imageflow_executions.journal import Journal
from imageflow_executions.months import prepare_months
from imageflow_pipelines.engine import Engine


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"), database_url=databases())


@pytest.fixture(scope="module")
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    prepare_months(opened)
    yield opened
    opened.database.close()


@contextmanager
def engine_over(
    stores: Stores,
    *,
    name: str = "first",
    at_once: int = 2,
    grace_s: float = 5.0,
    kind: Callable[..., Engine] = Engine,
    log_lines: int = 1_000,
) -> Iterator[Resident]:
    """Run a resident engine in this process."""
    with (
        step_logging(),
        StepProcesses() as processes,
        kind(isolation=processes, meter=ProcessMeter()) as engine,
        Journal(stores, name) as journal,
    ):
        executor = Executor(stores, engine, journal, name, log_lines=log_lines)
        resident = Resident(stores, executor, name, at_once=at_once)
        thread = threading.Thread(target=resident.run, kwargs={"grace_s": grace_s})
        thread.start()
        try:
            yield resident
        finally:
            resident.stop()
            thread.join()


@pytest.fixture
def running(stores: Stores) -> Callable[..., AbstractContextManager[Resident]]:
    return lambda **options: engine_over(stores, **options)
