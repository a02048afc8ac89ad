"""A thousand pages that watch a 10 x 10 survey: how long a block's change takes from its commit to each of them."""

import asyncio
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bench.figures import Figure, Result
from bench.stack import free_port, running_gateway
from imageflow_clients.database.core import events
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.events import BEGINNING
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Carrier, DriverSpec, Keep, Survey, SurveySpec, SurveyState
from imageflow_domain.survey_events import subject_of
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, cut_blocks, register_blocks
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey

_CLIENTS = 1_000
_SIDE = 10
_BLOCK_SIDE = 2
"""25 blocks, each of which becomes whole in three layers."""

_P95_MS = 200.0
_LAST_S = 30.0
"""So long the last change may take to reach everybody."""

Done = tuple[str, str]
"""Block and layer that have become whole."""


@dataclass
class _Page:
    """What one client got, and when; read later, so that receiving costs nothing."""

    got: list[tuple[float, bytes]] = field(default_factory=list)

    def received(self) -> dict[Done, float]:
        """Return when each block's layer was first told to be done, in seconds since 1970."""
        first: dict[Done, float] = {}
        for at, line in self.got:
            for done in _done_in(line):
                first.setdefault(done, at)
        return first


def run() -> Result:
    """Return the time from commit to receipt over all changes and clients, and what was lost."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", gateway_port=free_port())
        try:
            return _measured(settings)
        finally:
            EmbeddedPostgres(settings.home / "postgres").stop()


def _measured(settings: Settings) -> Result:
    stores = open_stores(settings)
    survey = plan_survey(stores, _spec(), Carrier.OPERATOR)
    with running_gateway(settings):  # which raises its own limit
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        pages = asyncio.run(_watched(settings, survey.id))
    committed = _committed(stores, survey)
    stores.database.close()
    received = [page.received() for page in pages]
    took_ms = [1000 * (page[done] - at) for page in received for done, at in committed.items() if done in page]
    lost = sum(done not in page for page in received for done in committed)
    return Result(
        figures=(
            Figure(name="clients", value=len(pages), at_least=_CLIENTS),
            Figure(name="changes of blocks", value=len(committed), at_least=3 * (_SIDE // _BLOCK_SIDE) ** 2),
            Figure(name="changes that a client did not get", value=lost, at_most=0),
            Figure(name="commit to receipt, median", value=statistics.median(took_ms), unit="ms"),
            Figure(
                name="commit to receipt, 95th percentile",
                value=statistics.quantiles(took_ms, n=20)[-1],
                unit="ms",
                at_most=_P95_MS,
            ),
            Figure(name="commit to receipt, slowest", value=max(took_ms), unit="ms"),
        )
    )


def _spec() -> SurveySpec:
    parameters = {"view": [320, 256], "drift_px": 8, "paused": True, "water": 0.0}
    return SurveySpec(
        game="city",
        save="bench",
        driver=DriverSpec(name="city", parameters=parameters),
        grid=Grid(rows=_SIDE, cols=_SIDE),
        block_side=_BLOCK_SIDE,
        keep=Keep.KEEP,
    )


def _committed(stores: Stores, survey: Survey) -> dict[Done, float]:
    """Return when the transactions began that made each block's layer whole: a moment before they were committed."""
    with stores.database.begin() as connection:
        told = events.read_subject(connection, subject_of(survey.id), after=BEGINNING, limit=10_000)
    return {
        (str(one.event.data["block"]), str(one.event.data["layer"])): one.created_at.timestamp()
        for one in told
        if one.event.kind == "block" and one.event.data["change"] == "done"
    }


async def _watched(settings: Settings, survey: str) -> Sequence[_Page]:
    pages = [_Page() for _ in range(_CLIENTS)]
    watching = [asyncio.create_task(_watch(settings.gateway_port, survey, page)) for page in pages]
    while not all(page.got for page in pages):
        _raise_failed(watching)
        await asyncio.sleep(0.1)
    process = multiprocessing.get_context("spawn").Process(target=_survey, args=(settings, survey))
    process.start()
    while process.is_alive():
        await asyncio.sleep(0.1)
    if process.exitcode != 0:
        raise RuntimeError("The survey failed.")
    await asyncio.wait(watching, timeout=_LAST_S)
    _raise_failed(watching)
    for task in watching:
        task.cancel()
    return pages


def _raise_failed(watching: Sequence["asyncio.Task[None]"]) -> None:
    for task in watching:
        if task.done():
            task.result()


async def _watch(port: int, survey: str, page: _Page) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    request = f"GET /api/v1/surveys/{survey}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
    writer.write(request.encode())
    while line := await reader.readline():
        if line.startswith(b"data: "):
            page.got.append((time.time(), line))
        elif line.startswith(b"event: end"):
            break
    writer.close()


@cache
def _done_in(line: bytes) -> frozenset[Done]:
    told = json.loads(line.removeprefix(b"data: "))
    return frozenset(
        (block["key"], layer["layer"])
        for block in told.get("blocks", ())
        for layer in block["layers"]
        if layer["state"] == "done"
    )


def _survey(settings: Settings, survey_id: str) -> None:
    """Make the survey as a run does, layer by layer."""
    stores = open_stores(settings)
    survey = states.read(stores, survey_id)
    blocks = survey.blocks()
    capture_blocks(stores, survey, blocks)
    register_blocks(stores, survey, blocks)
    place_survey(stores, survey)
    cut_blocks(stores, states.read(stores, survey_id), blocks)
    with stores.database.begin() as connection:
        rows.set_state(connection, survey_id, SurveyState.COMPLETED)  # which ends every page's stream
    stores.database.close()
