"""The sensors of inspection over a million keys and 100,000 batches, evaluated as Dagster's code server does.

Each store is measured by a process of its own, `python -m bench.sensor_ticks`, whose memory is thus the sensors' alone.
Needs 10 GB of disk under the temporary folder while it runs, nearly all for names.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from dagster import RepositoryDefinition, SensorDefinition
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import RegisteredCodeLocationOrigin
from dagster._grpc.impl import get_external_sensor_execution

from bench.figures import Figure, spending
from bench.million_uploads import INSPECTED, KEYS
from imageflow_assets.definitions import build_defs
from imageflow_assets.inspection.sensors import SENSORS, inspect_uploads
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_resources.storage import load_instance
from services.minio import Minio
from services.s3_server import BUCKET

TICKS = 210
"""A round is 201 of them."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one process saw."""

    seconds: list[float]
    """Of each tick of the upload sensor."""
    cpu_s: list[float]
    grown_mb: float
    """Since the first tick, which loads what stays."""
    asked: list[str]
    """Partitions of the requested runs."""
    others_s: dict[str, float]
    """The slowest of the first two ticks of each other sensor."""


def sensor_ticks() -> tuple[Figure, ...]:
    """Measure ticks that go round once and find the one new batch, on a folder and on MinIO."""
    figures: list[Figure] = []
    for name, opened in (("a folder", _folder), ("MinIO", _minio)):
        with TemporaryDirectory() as folder, opened(Path(folder)) as (layout, root, variables):
            run = partial(_python, Path(folder) / "home", variables)
            run("bench.million_uploads", layout, str(root))
            measured = Measured(**json.loads(run("bench.sensor_ticks")))
        assert set(measured.asked) == {"p000-new"}
        figures += _figures(name, measured)
    return tuple(figures)


def _figures(store: str, measured: Measured) -> Iterator[Figure]:
    ticks = f"{TICKS} ticks of the upload sensor over {KEYS:,} keys in {store} and {INSPECTED:,} inspected batches"
    yield Figure(name=f"{ticks}: slowest", value=max(measured.seconds), unit="s", at_most=5)
    yield Figure(name=f"{store}: their median", value=sorted(measured.seconds)[TICKS // 2], unit="s")
    yield Figure(name=f"{store}: most processor time of one", value=max(measured.cpu_s), unit="s")
    yield Figure(name=f"{store}: memory that {TICKS - 1} of them added", value=measured.grown_mb, unit="MB", at_most=50)
    slowest = max(measured.others_s, key=lambda name: measured.others_s[name])
    yield Figure(
        name=f"{store}: slowest tick of inspection's other sensors ({slowest})",
        value=measured.others_s[slowest],
        unit="s",
        at_most=5,
    )


@contextmanager
def _folder(folder: Path) -> Iterator[tuple[str, Path, Mapping[str, str]]]:
    yield "folder", folder / "home" / "objects", {}


@contextmanager
def _minio(folder: Path) -> Iterator[tuple[str, Path, Mapping[str, str]]]:
    server = Minio(folder / "minio")
    try:
        yield "minio", folder / "minio" / "data" / BUCKET, server.environment
    finally:
        server.stop()


def _python(home: Path, variables: Mapping[str, str], *module: str) -> str:
    """Run a module in a home; return what it prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("IMAGEFLOW_", "DAGSTER_"))}
    # Files that were just written count as a batch that is no longer written to.
    environment = {**clean, "IMAGEFLOW_HOME": str(home), "IMAGEFLOW_UPLOAD_QUIET_S": "0", **variables}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", *module], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def measure() -> Measured:
    """Evaluate the sensors in this process; its environment says where."""
    settings = Settings()
    repository = build_defs().get_repository_def()
    process = psutil.Process()
    seconds, cpu_s, asked = [], [], []
    with load_instance(settings) as instance:
        tick = partial(_tick, repository, instance.get_ref())
        cursor = None
        for number in range(TICKS):
            if number == 1:
                before = process.memory_info().rss
            with spending() as spent:
                data = tick(inspect_uploads, cursor)
            seconds.append(spent.wall_s)
            cpu_s.append(spent.cpu_s)
            asked += [str(request.partition_key) for request in data.run_requests or ()]
            cursor = data.cursor
        grown_mb = (process.memory_info().rss - before) / 1e6
        others_s = {each.name: _twice(partial(tick, each)) for each in SENSORS if each is not inspect_uploads}
    EmbeddedPostgres(settings.home_path / "postgres").stop()
    return Measured(seconds=seconds, cpu_s=cpu_s, grown_mb=grown_mb, asked=asked, others_s=others_s)


def _tick(
    repository: RepositoryDefinition, instance: InstanceRef, sensor: SensorDefinition, cursor: str | None
) -> SensorExecutionData:
    """Evaluate a sensor as its code server does when Dagster's daemon asks; raise `RuntimeError` with its words."""
    found = get_external_sensor_execution(
        repository,
        RegisteredCodeLocationOrigin("imageflow"),
        instance,
        sensor.name,
        last_tick_completion_timestamp=None,
        last_run_key=None,
        cursor=cursor,
        log_key=None,
        last_sensor_start_timestamp=None,
    )
    if not isinstance(found, SensorExecutionData):
        raise RuntimeError(f"{sensor.name}: {found.error}")
    return found


def _twice(tick: Callable[[str | None], SensorExecutionData]) -> float:
    """Return the seconds of the slower one of a sensor's first two ticks."""
    with spending() as first:
        cursor = tick(None).cursor
    with spending() as second:
        tick(cursor)
    return max(first.wall_s, second.wall_s)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(measure())))
