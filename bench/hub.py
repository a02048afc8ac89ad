"""A thousand pages that watch a 10 x 10 survey: how long a block's change takes from its commit to each of them."""

import multiprocessing
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure, Result
from bench.hub_clients import READY, Done, Received
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
_REPORT_S = 120.0
"""How long the clients may take to report what they received."""


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
    with running_gateway(settings):
        received = _watched(settings, survey.id)
    committed = _committed(stores, survey)
    stores.database.close()
    took_ms = [
        1000 * (one.done_at[done] - at) for one in received for done, at in committed.items() if done in one.done_at
    ]
    lost = sum(done not in one.done_at for one in received for done in committed)
    return Result(
        figures=(
            Figure(name="clients", value=len(received), at_least=_CLIENTS),
            Figure(name="changes of blocks", value=len(committed), at_least=3 * (_SIDE // _BLOCK_SIDE) ** 2),
            Figure(name="changes that a client did not get", value=lost, at_most=0),
            Figure(name="events that a client got twice", value=sum(one.twice for one in received), at_most=0),
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
        logged = events.read_subject(connection, subject_of(survey.id), after=BEGINNING, limit=10_000)
    return {
        (str(one.event.data["block"]), str(one.event.data["layer"])): one.created_at.timestamp()
        for one in logged
        if one.event.kind == "block" and one.event.data["change"] == "done"
    }


def _watched(settings: Settings, survey: str) -> Sequence[Received]:
    """Make the survey while the clients watch it, and return what they received."""
    path = f"/api/v1/surveys/{survey}/events"
    command = [sys.executable, "-m", "bench.hub_clients", str(settings.gateway_port), path, str(_CLIENTS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        assert clients.stdout is not None
        if clients.stdout.readline().strip() != READY:
            raise RuntimeError("The clients got no first event.")
        process = multiprocessing.get_context("spawn").Process(target=_survey, args=(settings, survey))
        process.start()
        process.join()
        if process.exitcode != 0:
            clients.kill()
            raise RuntimeError("The survey failed.")
        report, _ = clients.communicate(timeout=_REPORT_S)
    return Received.from_json(report)


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
