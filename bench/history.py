"""A page of the history among a million executions, for each filter, matching none, one and nearly all of them.

Needs about 4 GB of disk under the temporary folder while it runs.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import Connection, text

from bench.figures import Figure, Result
from bench.stack import free_port, running_gateway
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.executions import first_id
from imageflow_executions.months import prepare_months

_EXECUTIONS = 1_000_000
_MONTHS = 6
"""Before the present one, over which they are spread."""

_ASKED = 40
_WARM_UP = 3
_P95_MS = 100.0
_NEEDS_BYTES = 5_000_000_000
_TABLES = ("executions", "execution_steps", "execution_logs")

_FILL = """
    INSERT INTO executions (id, pipeline, version, parameters, priority, principal, client, correlation, protocol,
                            state, attempt, inputs, error_code, error, created_at, started_at, ended_at)
        SELECT (lpad(to_hex(ms), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
               CASE WHEN is_rare THEN 'rare' ELSE 'common' END, 1, '{"decode": {}, "small": {"width_px": 800}}',
               CASE WHEN is_rare THEN 2 ELSE 1 END, 'operator', CASE WHEN is_rare THEN 'rare' ELSE 'common' END, '',
               'rest', CASE WHEN is_rare THEN 'cancelled' ELSE 'failed' END, 1,
               '{"picture": {"key": "k", "sha256": "s", "size": 1000, "media_type": "image/png", "kind": "encoded"}}',
               'STEP_FAILED',
               CASE WHEN is_rare THEN 'Step decode met a needle' ELSE 'Step decode met a common failure ' || n END,
               to_timestamp(ms / 1000.0), to_timestamp(ms / 1000.0), to_timestamp(ms / 1000.0)
        FROM (SELECT n, n = :rare AS is_rare, md5(n::text) AS hash,
                     (:begin + (:span * n::numeric / :count))::bigint AS ms
              FROM generate_series(0, :count - 1) AS n) AS numbered
"""


def run() -> Result:
    """Return the p95 of a page for each filter and each number of matches."""
    with tempfile.TemporaryDirectory() as folder:
        free = shutil.disk_usage(folder).free
        if free < _NEEDS_BYTES:
            return Result(skipped=f"{_NEEDS_BYTES / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} GB are free")
        settings = Settings(home=Path(folder) / "home", gateway_port=free_port())
        stores = open_stores(settings)
        with stores.database:
            prepare_months(stores)
            begin, end = _fill(stores)
            with running_gateway(settings):
                return Result(figures=tuple(_figures(settings, begin, end)))


def _fill(stores: Stores) -> tuple[datetime, datetime]:
    """Insert the executions; return when the first and the last one were made."""
    end = datetime.now(UTC)
    begin = _month(end, _MONTHS)
    with stores.database.begin() as connection:
        for back in range(_MONTHS, 0, -1):
            _partition(connection, _month(end, back), _month(end, back - 1))
    begin_ms, end_ms = (int(each.timestamp() * 1000) for each in (begin, end))
    given = {"count": _EXECUTIONS, "begin": begin_ms, "span": end_ms - begin_ms, "rare": _EXECUTIONS // 3}
    with stores.database.begin() as connection:
        connection.execute(text(_FILL), given)
    with stores.database.begin() as connection:
        connection.execute(text("ANALYZE executions"))
    return begin, end


def _month(moment: datetime, back: int) -> datetime:
    """Return the begin of the month that was so many months before."""
    months = moment.year * 12 + moment.month - 1 - back
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _partition(connection: Connection, begin: datetime, end: datetime) -> None:
    for table in _TABLES:
        bounds = f"FROM ('{first_id(begin)}') TO ('{first_id(end)}')"
        connection.execute(text(f"CREATE TABLE {table}_{begin:%Y_%m} PARTITION OF {table} FOR VALUES {bounds}"))


def _figures(settings: Settings, begin: datetime, end: datetime) -> Iterator[Figure]:
    for name, query, matches in _queries(begin, end):
        with closing(HTTPConnection("127.0.0.1", settings.gateway_port)) as wire:
            times = [_ask(wire, query, matches) for _ in range(_ASKED + _WARM_UP)][_WARM_UP:]
        p95 = statistics.quantiles(times, n=20)[-1] * 1000
        yield Figure(name=f"a page by {name}, p95", value=p95, unit="ms", at_most=_P95_MS)


def _queries(begin: datetime, end: datetime) -> Iterator[tuple[str, Mapping[str, str], int]]:
    """Yield what is asked, the query, and how many executions the page has."""
    step = (end - begin) / _EXECUTIONS
    rare = begin + step * (_EXECUTIONS // 3)
    half = timedelta(milliseconds=max(1.0, step.total_seconds() * 500))
    yield "no filter, all", {}, 100
    yield "date, none", {"since": (end + timedelta(days=1)).isoformat()}, 0
    yield "date, one", {"since": (rare - half).isoformat(), "before": (rare + half).isoformat()}, 1
    yield "date, all", {"since": begin.isoformat(), "before": (end + timedelta(days=1)).isoformat()}, 100
    for name, none, one, all_ in (
        ("status", "queued", "cancelled", "failed"),
        ("pipeline", "absent", "rare", "common"),
        ("priority", "low", "high", "normal"),
        ("client_id", "absent", "rare", "common"),
        ("error", "absent", "needle", "failure"),
    ):
        yield f"{name}, none", {name: none}, 0
        yield f"{name}, one", {name: one}, 1
        yield f"{name}, all", {name: all_}, 100
    yield "error and status, none", {"error": "failure", "status": "cancelled"}, 0
    yield "error of one execution, by number", {"error": "777"}, 1


def _ask(wire: HTTPConnection, query: Mapping[str, str], matches: int) -> float:
    begun_s = time.perf_counter()
    wire.request("GET", f"/api/v1/executions?{urlencode(query)}")
    answer = wire.getresponse()
    data = answer.read()
    spent_s = time.perf_counter() - begun_s
    found = data.count(b'"execution_id"')
    if answer.status != HTTPStatus.OK or found != matches:
        raise RuntimeError(f"{dict(query)}: {answer.status}, {found} executions instead of {matches}")
    return spent_s
