"""Processor time of a stack that has nothing to do: all of it, and what of it is left with our sensors switched off."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil

from bench.figures import Figure, Result
from bench.stack import Up
from bench.watching import database_of, role_of

_SURVEY_S = 300.0
_REST_S = 45.0
"""After the survey, and after the switching: run workers have ended by then, and caches are filled."""
_WATCHED_S = 180.0
_OURS_AT_MOST = 1.9
"""Percent of one core, in Dagster's daemon and code server."""

_AUTOMATION = """
{ repositoriesOrError { ... on RepositoryConnection { nodes {
    sensors { name sensorState { id } } schedules { name scheduleState { id } } } } } }"""
_STOP_SENSOR = "mutation($id: String!) { stopSensor(id: $id) { __typename } }"
_STOP_SCHEDULE = "mutation($id: String!) { stopRunningSchedule(id: $id) { __typename } }"


def run() -> Result:
    """Return the share of one core that each process of an idle stack takes, and what of it our sensors cause."""
    with TemporaryDirectory() as folder:
        up = Up(Path(folder), {})
        try:
            up.start()
            up.stack.survey("openttd_example", "idle", _SURVEY_S)
            everything = _shares(up)
            _switch_off(up.stack.dagster)
            without = _shares(up)
        finally:
            up.end()
    ours = {role: max(0.0, share - without[role]) for role, share in everything.items()}
    return Result(figures=tuple(_figures(everything, without, ours)))


def _figures(
    everything: Mapping[str, float], without: Mapping[str, float], ours: Mapping[str, float]
) -> Iterator[Figure]:
    for role in sorted(everything):
        yield Figure(name=f"{role}: all", value=everything[role], unit="%")
        yield Figure(name=f"{role}: Dagster's own, with our sensors and schedules off", value=without[role], unit="%")
        yield Figure(name=f"{role}: ours", value=ours[role], unit="%")
    in_dagster = ours["daemon"] + ours["code server"]
    yield Figure(name="daemon and code server: ours", value=in_dagster, unit="%", at_most=_OURS_AT_MOST)
    yield Figure(name="every process: ours", value=sum(ours.values()), unit="%")


def _shares(up: Up) -> dict[str, float]:
    """Return how much of one core each role takes, in percent, after a rest."""
    time.sleep(_REST_S)
    begin, before = time.monotonic(), _spent_s(up)
    time.sleep(_WATCHED_S)
    seconds = time.monotonic() - begin
    return {role: 100 * (spent_s - before.get(role, 0.0)) / seconds for role, spent_s in _spent_s(up).items()}


def _spent_s(up: Up) -> dict[str, float]:
    """Return the processor time that the living processes of a stack have used so far, by role."""
    spent_s: dict[str, float] = {}
    root = psutil.Process(up.pid)
    for process in (root, *root.children(recursive=True), *database_of(up.stack.home)):
        times = process.cpu_times()
        # children that ended count for their parent: PostgreSQL starts one for each connection
        used_s = times.user + times.system + times.children_user + times.children_system
        spent_s[role_of(process)] = spent_s.get(role_of(process), 0.0) + used_s
    return spent_s


def _switch_off(dagster: str) -> None:
    """Stop every sensor and schedule of ours, as Dagster's UI does."""
    (repository,) = _ask(dagster, _AUTOMATION, {})["repositoriesOrError"]["nodes"]
    for sensor in repository["sensors"]:
        stopped = _ask(dagster, _STOP_SENSOR, {"id": sensor["sensorState"]["id"]})["stopSensor"]
        assert stopped["__typename"] == "StopSensorMutationResult", (sensor["name"], stopped)
    for schedule in repository["schedules"]:
        stopped = _ask(dagster, _STOP_SCHEDULE, {"id": schedule["scheduleState"]["id"]})["stopRunningSchedule"]
        assert stopped["__typename"] == "ScheduleStateResult", (schedule["name"], stopped)


def _ask(dagster: str, query: str, variables: Mapping[str, str]) -> Any:
    answer = httpx.post(f"{dagster}/graphql", json={"query": query, "variables": variables}, timeout=60)
    return answer.raise_for_status().json()["data"]
