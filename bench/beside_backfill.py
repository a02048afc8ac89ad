"""A backfill of large surveys through a real `imageflow up`: the slots that one uses, and a batch beside twenty."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from bench.figures import Figure, Result
from bench.inspecting import publish
from bench.stack import Stack, free_port, running_stack
from imageflow_clients.dagster import Dagster
from imageflow_clients.database.inspection import batches
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.inspection import BatchState
from imageflow_domain.survey import Carrier, Layer
from imageflow_inspection.uploading import BatchUpload
from imageflow_models.products import Split, draw
from imageflow_surveys.games import JobRequest, survey_spec
from imageflow_surveys.plan import plan_survey

_GAME = """
title: A city whose camera takes its time
driver: {name: city, parameters: {seed: 3, pace_s: 0.2}}
grid: {rows: 30, cols: 40}
encoding: {lossless_method: 2}
"""
_SURVEYS, _BATCHES, _PICTURES = 20, 3, 10
_SLOTS = {"capture": 3, "coords": 2, "tiles": 2}
_PATIENCE_S, _LOOK_S = 900.0, 0.2
_BACKFILL = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on PythonError { message } } }"""
_POOLS = "{ instance { concurrencyLimits { concurrencyKey activeSlotCount } } }"
_RUNNING = """{ runsOrError(filter: {statuses: [STARTED]}) { ... on Runs { results { runId } } } }"""


def run() -> Result:
    """Return the slots that the shares of one survey use at most, and the seconds from an upload to its results."""
    dagster_port = free_port()
    settings = {f"IMAGEFLOW_{pool.upper()}_POOL": str(slots) for pool, slots in _SLOTS.items()}
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,  # the database outlives the stack a little
        running_stack(
            Path(folder), {**settings, "IMAGEFLOW_DAGSTER_PORT": str(dagster_port)}, {"paced_city": _GAME}
        ) as stack,
    ):
        stores = open_stores(Settings(home=stack.home))
        dagster = f"http://127.0.0.1:{dagster_port}"
        try:
            used = _slots_of_one(stack, stores, dagster)
            seconds = _beside_many(stack, stores, dagster)
        finally:
            stores.database.close()
    return Result(
        figures=(
            *(
                Figure(name=f"slots of '{pool}' that a backfill of one survey uses", value=used[pool], at_least=slots)
                for pool, slots in _SLOTS.items()
            ),
            Figure(
                name=f"a batch beside a backfill of {_SURVEYS} surveys, from its upload to its results: longest of "
                f"{_BATCHES}",
                value=max(seconds),
                unit="s",
                at_most=30,
            ),
            Figure(name="the same: shortest", value=min(seconds), unit="s"),
        )
    )


def _slots_of_one(stack: Stack, stores: Stores, dagster: str) -> Counter[str]:
    """Backfill one survey; return the most slots of each pool that were taken at one time."""
    (survey,) = _planned(stores, stack.home.parent / "games", dagster, ("alone",))
    _backfill(stack, dagster, [survey])
    used: Counter[str] = Counter()

    def look() -> bool:
        for pool in _ask(stack, dagster, _POOLS)["instance"]["concurrencyLimits"]:
            used[pool["concurrencyKey"]] = max(used[pool["concurrencyKey"]], pool["activeSlotCount"])
        facts = stack.client.get(f"{stack.gateway}/api/v1/surveys/{survey}").raise_for_status().json()
        return bool(facts["state"] == "completed")

    _await(look, f"'{survey}' was not completed")
    return used


def _beside_many(stack: Stack, stores: Stores, dagster: str) -> list[float]:
    """Backfill many surveys; return how long each batch took while their runs filled what there is for maps."""
    saves = [f"beside_{number}" for number in range(_SURVEYS)]
    _backfill(stack, dagster, _planned(stores, stack.home.parent / "games", dagster, saves))
    most = sum(_SLOTS.values()) + 1
    _await(lambda: len(_ask(stack, dagster, _RUNNING)["runsOrError"]["results"]) >= most, "the backfill did not begin")
    publish(stores, "part")
    seconds = []
    for number in range(_BATCHES):
        with BatchUpload(stores, "part", f"batch_{number}") as batch:
            for seed in range(number * _PICTURES, (number + 1) * _PICTURES):
                pixels = cv2.cvtColor(draw(Split.HELD_OUT, seed).pixels, cv2.COLOR_RGB2BGR)
                batch.add(f"p{seed:05d}.png", cv2.imencode(".png", pixels)[1].tobytes())
            batch.close(datetime.now(UTC))
        begin = time.perf_counter()
        _await(partial(_is_inspected, stores, batch.name), f"'{batch.name}' was not inspected")
        seconds.append(time.perf_counter() - begin)
    return seconds


def _planned(stores: Stores, games: Path, dagster: str, saves: Sequence[str]) -> list[str]:
    """Plan one survey of each save, for an operator to begin."""
    requests = [JobRequest(game_id="paced_city", save_data_id=save) for save in saves]
    surveys = [plan_survey(stores, survey_spec(games, request), Carrier.OPERATOR).id for request in requests]
    for survey in surveys:
        Dagster(url=dagster).add_partition("surveys", survey)
    return surveys


def _backfill(stack: Stack, dagster: str, surveys: Sequence[str]) -> None:
    params = {
        "assetSelection": [{"path": [layer.value]} for layer in Layer],
        "partitionNames": surveys,
    }
    begun = _ask(stack, dagster, _BACKFILL, params=params)["launchPartitionBackfill"]
    if begun["__typename"] != "LaunchBackfillSuccess":
        raise RuntimeError(f"The backfill was refused: {begun}")


def _ask(stack: Stack, dagster: str, query: str, **variables: Any) -> Any:
    answer = stack.client.post(f"{dagster}/graphql", json={"query": query, "variables": variables}).json()
    if "errors" in answer:
        raise RuntimeError(f"Dagster answered: {answer['errors']}")
    return answer["data"]


def _is_inspected(stores: Stores, name: str) -> bool:
    with stores.database.begin() as connection:
        found = batches.latest_of(connection, [("part", name)]).get(("part", name))
    return found is not None and found.state is BatchState.INSPECTED


def _await(reached: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not reached():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Within {_PATIENCE_S:.0f} s {otherwise}.")
        time.sleep(_LOOK_S)
