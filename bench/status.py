"""A job's status beside ten million tiles in the database, through a real gateway.

Needs about 6 GB of disk under the temporary folder while it runs.
"""

import random
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

import httpx
from sqlalchemy import Connection, text

from bench.figures import Figure, Result
from bench.stack import free_port, running_gateway
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores

_TILES = 10_000_000
_SURVEYS = 100
_SIDE = 100
"""Areas on a survey's side."""

_ASKED = 1_000
_WARM_UP = 50
_P95_MS = 50.0
_AT_ONCE = 8
_RATED_S = 10.0
_NEEDS_BYTES = 10_000_000_000

_FILL = (
    "INSERT INTO saves (game, save, surveys_begun) SELECT 'bench', 's' || n, 1 FROM generate_series(1, :surveys) AS n",
    """
    INSERT INTO surveys (id, game, save, spec, state, carrier, rows, cols, view_width_px, view_height_px, reach_px,
                         keep, revision, published_revision, frame_number, native_zoom, bounds_x_px, bounds_y_px,
                         bounds_width_px, bounds_height_px, shift_x_px, shift_y_px, placed_at, tiles_planned)
        SELECT 'bench-s' || n || '-0001', 'bench', 's' || n,
               '{"game": "bench", "save": "s1", "driver": {"name": "city"}}', 'running', 'sensor', :side, :side,
               1280, 1024, 48, 'keep', 'r' || n, NULL, 1, 9, 0, 0, 1000, 1000, 0, 0, now(), :tiles / :surveys
        FROM generate_series(1, :surveys) AS n
    """,
    "INSERT INTO jobs (game_id, save_data_id, survey_id) SELECT game, save, id FROM surveys",
    """
    INSERT INTO blocks (survey_id, row, col, captured_at, registered_at, cut_at, cut_revision, tiles_cut)
        SELECT id, row, col, now(), now(), now(), revision, :tiles / :surveys / 100
        FROM surveys, generate_series(0, 9) AS row, generate_series(0, 9) AS col
    """,
    """
    INSERT INTO areas (survey_id, row, col, x_px, y_px)
        SELECT id, row, col, col * 1000, row * 800
        FROM surveys, generate_series(0, :side - 1) AS row, generate_series(0, :side - 1) AS col
    """,
    """
    INSERT INTO screenshots (survey_id, row, col, object_key, bytes, digest)
        SELECT survey_id, row, col, survey_id || '/' || row || '_' || col, 1000, md5(row || '/' || col) FROM areas
    """,
    "INSERT INTO tile_layers (survey_id, revision) SELECT id, revision FROM surveys",
    """
    INSERT INTO tiles (layer_id, z, x, y, digest)
        SELECT layer.id, 9, n % 1000, n / 1000, md5(layer.id || '/' || n)
        FROM tile_layers AS layer, generate_series(0, :tiles / :surveys - 1) AS n
    """,
    "INSERT INTO tile_objects (digest, bytes) SELECT digest, 1000 FROM tiles",
)


def run() -> Result:
    """Return the times of a thousand answers in turn, about random surveys, and the rate of several clients."""
    with tempfile.TemporaryDirectory() as folder:
        free = shutil.disk_usage(folder).free
        if free < _NEEDS_BYTES:
            return Result(skipped=f"{_NEEDS_BYTES / 1e9:.0f} GB of disk are needed, {free / 1e9:.0f} GB are free")
        settings = Settings(home=Path(folder) / "home", gateway_port=free_port())
        try:
            return _measured(settings)
        finally:
            EmbeddedPostgres(settings.home / "postgres").stop()


def _measured(settings: Settings) -> Result:
    begin = time.perf_counter()
    stores = open_stores(settings)
    size_bytes = _filled(stores)
    filling_s = time.perf_counter() - begin
    stores.database.close()
    with running_gateway(settings):
        asked_ms = _asked(settings.gateway_url)
        rate = _rate(settings.gateway_port)
    return Result(
        figures=(
            Figure(name="tiles in the database", value=_TILES),
            Figure(name="size of the database", value=size_bytes / 1e9, unit="GB"),
            Figure(name="filling it", value=filling_s, unit="s"),
            Figure(name="GET status, median", value=statistics.median(asked_ms), unit="ms"),
            Figure(
                name="GET status, 95th percentile",
                value=statistics.quantiles(asked_ms, n=20)[-1],
                unit="ms",
                at_most=_P95_MS,
            ),
            Figure(name=f"GET status, {_AT_ONCE} clients at once", value=rate, unit="/s"),
        )
    )


def _filled(stores: Stores) -> int:
    """Fill every table that a status looks at, and return the database's size in bytes."""
    with stores.database.begin() as connection:
        fill(connection, tiles=_TILES, surveys=_SURVEYS, side=_SIDE)
    with stores.database.begin() as connection:
        connection.execute(text("ANALYZE"))
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def fill(connection: Connection, *, tiles: int, surveys: int, side: int) -> None:
    """Insert surveys in the middle of their work, `tiles` in all, each of `side` x `side` areas and 100 blocks."""
    for statement in _FILL:
        connection.execute(text(statement), {"tiles": tiles, "surveys": surveys, "side": side})


def _asked(url: str) -> list[float]:
    """Return milliseconds of each answer."""
    chosen = random.Random(7)  # noqa: S311 - the same jobs each time
    with httpx.Client(base_url=url, timeout=60) as client:
        took_ms = []
        for _ in range(_WARM_UP + _ASKED):
            begin = time.perf_counter()
            client.get(f"/api/jobs/{chosen.randint(1, _SURVEYS)}/status").raise_for_status()
            took_ms.append(1000 * (time.perf_counter() - begin))
    return took_ms[_WARM_UP:]


def _rate(port: int) -> float:
    """Return answers a second to several clients, each of which sends its next request after an answer."""
    deadline = time.monotonic() + _RATED_S
    begin = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as clients:
        answered = sum(clients.map(lambda client: _answered(port, client, deadline), range(_AT_ONCE)))
    return answered / (time.perf_counter() - begin)


def _answered(port: int, client: int, deadline: float) -> int:
    """Count a client's answers until a time. Not by httpx, which costs about as much as the answer."""
    chosen = random.Random(client)  # noqa: S311 - the same jobs each time
    answered = 0
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        while time.monotonic() < deadline:
            connection.request("GET", f"/api/jobs/{chosen.randint(1, _SURVEYS)}/status")
            answer = connection.getresponse()
            answer.read()
            if answer.status != HTTPStatus.OK:
                raise RuntimeError(f"The status was not answered: {answer.status}")
            answered += 1
    return answered
