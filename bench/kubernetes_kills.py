"""Random kills on a real cluster: surveys among whose parts and servers something is killed again and again are whole.

IMAGEFLOW_KUBERNETES_KILLS (60) is how many there are, a few to each survey; IMAGEFLOW_FAULT_SEED plays them again.
Results are added to `results/kubernetes_kills.json`. As root: `python -m bench.kubernetes_kills`.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil

from bench.__main__ import RESULTS, hardware
from services.kubernetes.cluster import Cluster
from services.kubernetes.images import ROOT, build_all
from services.kubernetes.node import NAME
from tests.e2e.stack import Cli, environment
from tests.kubernetes.conftest import tiles_of_one_machine
from tests.kubernetes.release import Release, processes

_LARGE = {"game_id": "city", "grid": {"rows": 13, "cols": 10}, "seed": 7}
_HERE = "city-here-0001"
_FILE = RESULTS / "kubernetes_kills.json"
_DONE_S = 2400.0
_MOST_OF_ONE_SURVEY = 5
_PAUSE_S = (0.0, 40.0)
"""From the launch to the first kill, and from each kill to the next."""
_KEPT_S = 60
"""How long Jobs of ended runs are kept, in place of the chart's hour."""
_LEFT_S = 180.0
"""Until no slot is taken, and no Job or pod of an ended run is left."""
_LOOK_S = 1.0
_DRAINED_S = 5.0
_ENDS = frozenset({"completed", "failed", "cancelled"})

Kill = Callable[[Release, str], str]
"""Kills something of a run and returns its name."""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """One thing that was killed."""

    kind: str
    name: str
    after_s: float
    """From the survey's launch."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What was killed during one survey, and what became of the survey."""

    killed: tuple[Killed, ...]
    took_s: float
    status: str
    runs: tuple[str, ...]
    retries: int
    equal: bool
    """Whether its tiles are the undisturbed survey's, byte for byte."""
    left: tuple[str, ...]
    """Jobs and pods of its runs that are still there, and pools whose slots are still taken."""


def _deleted(component: str) -> Kill:
    def kill(release: Release, run_id: str) -> str:
        names = release.names("pods", f"dagster/run-id={run_id},app.kubernetes.io/component={component}")
        return _delete(release, names)

    return kill


def _killed(command: str) -> Kill:
    """Kill a container's process as the kernel does where memory is short."""

    def kill(release: Release, run_id: str) -> str:  # noqa: ARG001 - as the other kinds
        variable = b"DAGSTER_RUN_JOB_NAME=map_of_survey"
        found = [process for process in psutil.process_iter(["cmdline"]) if command in (process.info["cmdline"] or ())]
        inside = [process for process in found if variable in _environment(process)]
        if not inside:
            return ""
        victim = random.choice(inside)  # noqa: S311 - a seed plays it again
        os.kill(victim.pid, signal.SIGKILL)
        return f"{command} {victim.pid}"

    return kill


def _of_release(component: str) -> Kill:
    def kill(release: Release, run_id: str) -> str:  # noqa: ARG001 - as the other kinds
        return _delete(release, release.names("pods", f"app.kubernetes.io/component={component}"))

    return kill


def _kubelet(release: Release, run_id: str) -> str:  # noqa: ARG001 - as the other kinds
    """Kill the kubelet; the node starts it again, and its pods go on meanwhile."""
    kubeconfig = str(release.cluster.kubeconfig.with_name("kubelet.kubeconfig"))
    (kubelet,) = processes("kubelet", f"--kubeconfig={kubeconfig}")
    kubelet.kill()
    return f"kubelet {kubelet.pid}"


def _drained(release: Release, run_id: str) -> str:  # noqa: ARG001 - as the other kinds
    """Evict every pod of the release from the node, then let the node take pods again."""
    mine = f"--pod-selector=app.kubernetes.io/instance={release.name}"
    ways = ("--force", "--ignore-daemonsets", "--delete-emptydir-data", "--grace-period=5", "--timeout=120s")
    try:
        release.kubectl("drain", NAME, mine, *ways)
        time.sleep(_DRAINED_S)
    finally:
        release.kubectl("uncordon", NAME)
    return NAME


def _delete(release: Release, names: list[str]) -> str:
    if not names:
        return ""
    name = random.choice(names)  # noqa: S311 - a seed plays it again
    release.kubectl("delete", "pod", name, "--grace-period=0", "--force")
    return name


def _environment(process: psutil.Process) -> bytes:
    try:
        return Path(f"/proc/{process.pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


KILLS: Mapping[str, Kill] = {
    "the run's pod is deleted": _deleted("run_worker"),
    "the run's worker is killed": _killed("execute_run"),
    "a share's pod is deleted": _deleted("step_worker"),
    "a share's process is killed": _killed("execute_step"),
    "the code server is deleted": _of_release("code"),
    "the daemon is deleted": _of_release("daemon"),
    "the gateway is deleted": _of_release("gateway"),
    "the engine is deleted": _of_release("engine"),
    "the tile cache is deleted": _of_release("tile-cache"),
    "PostgreSQL is deleted": _of_release("demo-postgres"),
    "MinIO is deleted": _of_release("demo-minio"),
    "the kubelet is killed": _kubelet,
    "the node is drained": _drained,
}


def main() -> int:
    """Kill as often as wanted; return the exit status: 1 where a survey was not whole or something was left."""
    wanted = int(os.environ.get("IMAGEFLOW_KUBERNETES_KILLS", "60"))
    seed = int(os.environ.get("IMAGEFLOW_FAULT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"IMAGEFLOW_FAULT_SEED={seed}", flush=True)
    random.seed(seed)
    cluster = Cluster(ROOT / "build" / "kubernetes")
    cluster.start()
    try:
        images = build_all()
        cluster.load(list(images.values()))
        release = Release(cluster=cluster, name="kills", node_port=30081, images=images)
        release.install({"runs": {"keepFinishedSeconds": _KEPT_S}})
        with TemporaryDirectory() as folder:
            expected = _undisturbed(Path(folder))
        trials: list[Trial] = []
        while (left := wanted - sum(len(trial.killed) for trial in trials)) > 0:
            trials.append(_trial(release, len(trials), expected, at_most=min(left, _MOST_OF_ONE_SURVEY)))
            print(json.dumps(asdict(trials[-1])), flush=True)
            _record(seed, trials[-1])
    finally:
        cluster.stop()
    return int(any(trial.left or not trial.equal for trial in trials))


def _trial(release: Release, number: int, expected: Mapping[str, bytes], *, at_most: int) -> Trial:
    begun = time.monotonic()
    job = release.post("/api/jobs", {**_LARGE, "save_data_id": f"kill_{number}"})
    killed: list[Killed] = []
    while len(killed) < at_most and not _over(release, job["job_id"], within_s=random.uniform(*_PAUSE_S)):  # noqa: S311
        kind = random.choice(list(KILLS))  # noqa: S311 - a seed plays it again
        after_s = round(time.monotonic() - begun, 1)
        name = KILLS[kind](release, job["dag_run_id"])
        if name:
            killed.append(Killed(kind=kind, name=name, after_s=after_s))
    status = _over(release, job["job_id"], within_s=_DONE_S)
    took_s = round(time.monotonic() - begun, 1)
    release.await_ready()
    survey = str(release.get(f"/api/jobs/{job['job_id']}/status").json()["survey_id"])
    runs = release.get(f"/api/v1/surveys/{survey}/runs").json()["runs"]
    return Trial(
        killed=tuple(killed),
        took_s=took_s,
        status=status or "not over",
        runs=tuple(run["status"] for run in runs),
        retries=sum(len(release.retries(run["run_id"])) for run in runs),
        equal=status == "completed" and _are_equal(release, survey, expected),
        left=_left(release, [run["run_id"] for run in runs]),
    )


def _over(release: Release, job: int, *, within_s: float) -> str | None:
    """Return how a job ended, as soon as it has within a time; the API may be away meanwhile."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        status = _status(release, job)
        if status in _ENDS:
            return status
        time.sleep(_LOOK_S)
    return None


def _status(release: Release, job: int) -> str | None:
    try:
        answer = release.get(f"/api/jobs/{job}/status")
    except httpx.TransportError:
        return None
    return str(answer.json()["status"]) if answer.is_success else None


def _left(release: Release, runs: Sequence[str]) -> tuple[str, ...]:
    """Return what is still there of the runs, once it had the time to end and to be removed."""

    def now() -> list[str]:
        there = [
            f"{kind} {item['metadata']['name']}"
            for kind in ("jobs", "pods")
            for item in release.items(kind, "dagster/run-id")
            if item["metadata"]["labels"]["dagster/run-id"] in runs
        ]
        return [*there, *(f"slots of {name}" for name, count in release.slots().items() if count)]

    deadline = time.monotonic() + _LEFT_S
    left = now()
    while left and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        left = now()
    return tuple(left)


def _undisturbed(folder: Path) -> Mapping[str, bytes]:
    """Return the tiles of the same survey on this machine, by their addresses but for the survey's name."""
    here = Cli(home=folder / "home", env=environment(folder / "home"))
    config = str(ROOT / "games" / "city.yaml")
    here.run("survey", "run", "--config", config, "--save", "here", "--grid", "13x10", timeout_s=_DONE_S)
    tiles = tiles_of_one_machine(folder / "home", _HERE)
    return {address.replace(_HERE, "{survey}"): content for address, content in tiles.items()}


def _are_equal(release: Release, survey: str, expected: Mapping[str, bytes]) -> bool:
    return all(release.get(address.format(survey=survey)).content == content for address, content in expected.items())


def _record(seed: int, trial: Trial) -> None:
    record = json.loads(_FILE.read_text()) if _FILE.exists() else {"trials": []}
    record = {"hardware": hardware(), "trials": [*record["trials"], {"seed": seed, **asdict(trial)}]}
    _FILE.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
