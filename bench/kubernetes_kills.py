"""Random kills on a real cluster: surveys whose runs, shares, code servers and daemon are killed are whole in the end.

IMAGEFLOW_KUBERNETES_KILLS (20) is how many there are; IMAGEFLOW_FAULT_SEED plays them again. Results are added to
`results/kubernetes_kills.json`. As root: `python -m bench.kubernetes_kills`.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.__main__ import RESULTS, hardware
from services.kubernetes.cluster import Cluster
from services.kubernetes.images import ROOT, build_all
from tests.e2e.stack import Cli, environment
from tests.kubernetes.conftest import tiles_of_one_machine
from tests.kubernetes.release import Release

_LARGE = {"game_id": "city", "grid": {"rows": 13, "cols": 10}, "seed": 7}
_HERE = "city-here-0001"
_FILE = RESULTS / "kubernetes_kills.json"
_DONE_S = 1200.0
_LATEST_S = 60.0
"""After the launch; a survey of this size takes longer than that."""
_LEFT_S = 90.0
"""Until no pod of an ended run works, and no slot is taken."""

Kill = Callable[[Release, str], str]
"""Kills something of a run and returns its name."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What was killed, and what became of the survey."""

    kind: str
    killed: str
    after_s: float
    took_s: float
    runs: tuple[str, ...]
    retries: int
    equal: bool
    """Whether its tiles are the undisturbed survey's, byte for byte."""
    left: tuple[str, ...]
    """Pods of its runs that still worked, and pools whose slots were still taken."""


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
}


def main() -> int:
    """Kill as often as wanted; return the exit status: 1 where a survey was not whole or something was left."""
    wanted = int(os.environ.get("IMAGEFLOW_KUBERNETES_KILLS", "20"))
    seed = int(os.environ.get("IMAGEFLOW_FAULT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"IMAGEFLOW_FAULT_SEED={seed}", flush=True)
    random.seed(seed)
    cluster = Cluster(ROOT / "build" / "kubernetes")
    cluster.start()
    try:
        images = build_all()
        cluster.load(list(images.values()))
        release = Release(cluster=cluster, name="kills", node_port=30081, images=images)
        release.install()
        with TemporaryDirectory() as folder:
            expected = _undisturbed(Path(folder))
        trials = []
        for number in range(wanted):
            trials.append(_trial(release, number, expected))
            print(json.dumps(asdict(trials[-1])), flush=True)
            _record(seed, trials[-1])
    finally:
        cluster.stop()
    return int(any(trial.left or not trial.equal for trial in trials))


def _trial(release: Release, number: int, expected: Mapping[str, bytes]) -> Trial:
    kind = random.choice(list(KILLS))  # noqa: S311 - a seed plays it again
    after_s = random.uniform(0, _LATEST_S)  # noqa: S311
    begun = time.monotonic()
    job = release.post("/api/jobs", {**_LARGE, "save_data_id": f"kill_{number}"})
    time.sleep(after_s)
    killed = KILLS[kind](release, job["dag_run_id"])
    survey = str(release.await_job(job["job_id"], within_s=_DONE_S)["survey_id"])
    took_s = time.monotonic() - begun
    runs = release.get(f"/api/v1/surveys/{survey}/runs").json()["runs"]
    return Trial(
        kind=kind,
        killed=killed,
        after_s=round(after_s, 1),
        took_s=round(took_s, 1),
        runs=tuple(run["status"] for run in runs),
        retries=sum(len(release.retries(run["run_id"])) for run in runs),
        equal=_are_equal(release, survey, expected),
        left=_left(release),
    )


def _left(release: Release) -> tuple[str, ...]:
    """Return what is still at work, once it had the time to end."""

    def now() -> list[str]:
        pods = [pod for pod in release.items("pods", "dagster/run-id") if pod["status"]["phase"] == "Running"]
        taken = [name for name, count in release.slots().items() if count]
        return [*(pod["metadata"]["name"] for pod in pods), *taken]

    deadline = time.monotonic() + _LEFT_S
    left = now()
    while left and time.monotonic() < deadline:
        time.sleep(2)
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
