"""For every page the database reads about the rows that it returns, however many there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from imageflow_clients.database.inspection import inspections, verifications
from imageflow_clients.stores import Stores

INSPECTIONS = 4000
DAY = date(2026, 3, 1)

_FILL = """
    INSERT INTO products (code, name) VALUES ('lid', 'A lid');
    INSERT INTO batches (product, name, version, folder, state, listing, pictures, bytes, closed_at)
    SELECT 'lid', 'b' || n, 1, '', 'inspected', '', 1, 1, timestamptz '2026-01-01Z' + n * interval '1 hour'
    FROM generate_series(1, {count}) AS n ORDER BY n;
    INSERT INTO batch_pictures (batch_id, place, name, key, digest, bytes)
    SELECT id, 0, 'p.png', '', repeat('0', 64), 1 FROM batches;
    INSERT INTO inspections (batch_id, identity, master_version, code_version, judged_by, done_at)
    SELECT id, '', 1, 1, '[]', closed_at FROM batches ORDER BY id;
    UPDATE batches SET inspection_id = inspections.id FROM inspections WHERE batch_id = batches.id;
    INSERT INTO picture_results (inspection_id, place, verdict, confidence, seconds, judged_at)
    SELECT inspection_id, 0, 'pass', 1, 0, closed_at FROM batches;
    INSERT INTO verifications (inspection_id, place, verdict, inspector, created_at)
    SELECT inspection_id, 0, 'fail', 'ada', closed_at FROM batches ORDER BY id;
    ANALYZE
"""


@pytest.fixture
def filled(stores: Stores) -> Iterator[Connection]:
    """A batch an hour, each with one picture that passed, and that Ada failed in the same hour."""
    with stores.database.begin() as connection:
        for statement in _FILL.format(count=INSPECTIONS).split(";"):
            connection.execute(text(statement))
        # What is right for a million rows is not yet the cheapest for so few.
        for way in ("seqscan", "hashjoin", "mergejoin"):
            connection.execute(text(f"SET LOCAL enable_{way} = off"))
        yield connection


@contextmanager
def rows_looked_at(connection: Connection) -> Iterator[list[int]]:
    """Explain every query that is made meanwhile, and count the rows that each read from tables and indexes."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    counts: list[int] = []
    try:
        yield counts
    finally:
        event.remove(connection, "before_cursor_execute", note)
    for statement, parameters in asked:
        told = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
        counts.append(_read(told[0]["Plan"]))


def _read(node: dict[str, Any]) -> int:
    below = sum(_read(each) for each in node.get("Plans", ()))
    if "Scan" not in node["Node Type"]:
        return below
    each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return below + int(each * node["Actual Loops"])


@pytest.mark.parametrize("former", [False, True])
def test_a_page_of_results_looks_at_few_rows_however_deep_it_lies(filled: Connection, former: bool) -> None:
    every = inspections.find_results(filled, former=former, limit=INSPECTIONS)
    middle = every[INSPECTIONS // 2].inspection_id
    with rows_looked_at(filled) as counts:
        page = inspections.find_results(filled, former=former, after=(middle, 0), limit=10)
    assert page == every[INSPECTIONS // 2 + 1 :][:10]
    assert max(counts) < INSPECTIONS / 10


def test_a_days_results_are_found_by_their_day(filled: Connection) -> None:
    with rows_looked_at(filled) as counts:
        page = inspections.find_results(filled, begins=DAY, ends=date(2026, 3, 2), limit=100)
    assert [each.judged_at.date() for each in page] == [DAY] * 24
    assert max(counts) < INSPECTIONS / 10


def test_a_days_disagreements_are_found_by_their_day(filled: Connection) -> None:
    every = verifications.disagreements(filled, limit=INSPECTIONS)
    assert len(every) == INSPECTIONS
    with rows_looked_at(filled) as counts:
        page = verifications.disagreements(filled, day=DAY, limit=100)
    assert page == tuple(each for each in every if each.verification.created_at.date() == DAY)
    assert len(page) == 24
    assert max(counts) < INSPECTIONS / 10
    with rows_looked_at(filled) as counts:
        deep = verifications.disagreements(filled, before=every[INSPECTIONS // 2].verification.id, limit=10)
    assert deep == every[INSPECTIONS // 2 + 1 :][:10]
    assert max(counts) < INSPECTIONS / 10
