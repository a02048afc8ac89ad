"""However many tiles there are: a job's status and a tile's address are answered by indexes alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import event, text

from bench.status import fill
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.errors import NotReady
from imageflow_domain.tiles import TileId
from imageflow_surveys.jobs import job_status
from imageflow_surveys.published import PublishedMaps

Statement = tuple[str, Any]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Stores]:
    """A database of its own with many surveys in the middle of their work."""
    stores = open_stores(Settings(home=tmp_path_factory.mktemp("filled"), database_url=databases()))
    with stores.database.begin() as connection:
        fill(connection, tiles=40_000, surveys=20, side=20)
    with stores.database.begin() as connection:
        connection.execute(text("ANALYZE"))
    yield stores
    stores.database.close()


@contextmanager
def _statements(stores: Stores) -> Iterator[list[Statement]]:
    """Collect what the body asks of the database."""
    seen: list[Statement] = []

    def see(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(stores.database.engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(stores.database.engine, "before_cursor_execute", see)


def _plan(stores: Stores, statement: Statement, *, seqscan: bool) -> str:
    words, parameters = statement
    with stores.database.begin() as connection:
        connection.execute(text(f"SET LOCAL enable_seqscan = {'on' if seqscan else 'off'}"))
        return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {words}", parameters))


def _check(stores: Stores, statements: list[Statement]) -> None:
    asked = [statement for statement in statements if statement[0].lstrip().startswith(("SELECT", "WITH"))]
    assert asked
    for statement in asked:
        natural = _plan(stores, statement, seqscan=True)
        assert "Seq Scan on tiles" not in natural, natural
        # small tables are read whole because that is faster: there must be an index for when they are large
        forced = _plan(stores, statement, seqscan=False)
        assert "Seq Scan" not in forced, f"{statement[0]}\n{forced}"


def test_a_status_is_read_by_indexes(filled: Stores) -> None:
    with _statements(filled) as statements:
        status = job_status(filled, 7)
    assert status.progress.tiles_cut == 2_000
    assert len(statements) <= 5
    _check(filled, statements)
    counted = ("FROM tiles", "FROM areas", "FROM screenshots")
    assert not any(table in words for words, _ in statements for table in counted), "nothing is counted row by row"


def test_a_tile_is_found_by_indexes(filled: Stores) -> None:
    maps = PublishedMaps(filled)
    with _statements(filled) as statements:
        assert maps.tile("bench-s7-0001", "r7", TileId(z=9, x=5, y=1)).digest
        with pytest.raises(NotReady):
            maps.of_survey("bench-s7-0001")
    assert any("tiles" in words for words, _ in statements)
    _check(filled, statements)
