"""A map line without maps: graph assets of shares, partitioned by survey, whose steps follow a file.

Run workers and their children load it as they load the product's definitions. Each share notes in the folder
SHARES_FOLDER who did it and when; a file there makes it slow, fail or hang.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from game_capture.registry import open_driver
from game_capture.staging import Staging
from imageflow_assets.executor import by_size_executor
from imageflow_assets.failures import explained
from imageflow_assets.values import step_values
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.errors import StoreUnavailable
from imageflow_domain.survey import DriverSpec
from imageflow_resources.configured import configured_resources

SURVEYS = dg.DynamicPartitionsDefinition(name="surveys")
POOL = "shares"
SHARES = 6


@dataclass(frozen=True, kw_only=True)
class Share:
    """Some of the work."""

    number: int
    blocks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of it."""

    blocks: int
    pid: int


def folder() -> Path:
    return Path(os.environ["SHARES_FOLDER"])


def _be_deaf() -> None:
    """Stand for code that nothing interrupts."""
    while True:
        try:
            time.sleep(1)
        except dg.DagsterExecutionInterruptedError:
            continue


def _play() -> None:
    """Drive a real game until something ends it."""
    spec = DriverSpec(name="openttd", parameters={"seed": 3, "map_size": 64, "view": (512, 384), "step": (384, 288)})
    with open_driver(spec, staging=Staging(scratch=folder() / f"scratch-{os.getpid()}")):
        (folder() / f"playing-{os.getpid()}").touch()
        time.sleep(600)


@dg.op(out=dg.DynamicOut(Share))
def plan_shares() -> Iterator[dg.DynamicOutput[Share]]:
    for number in range(SHARES):
        yield dg.DynamicOutput(Share(number=number, blocks=(f"r{number}", "r9")), mapping_key=f"s{number:03d}")


@dg.op(pool=POOL)
def do_share(
    context: dg.OpExecutionContext,
    share: Share,
    stores: dg.ResourceParam[Stores],
    settings: dg.ResourceParam[Settings],
) -> Done:
    """Do a share; note the beginning and the end of it."""
    begin = time.monotonic()
    with (folder() / f"begun-{share.number}").open("a") as file:
        file.write(f"{os.getpid()} {time.process_time()}\n")
    with explained(context.retry_number, settings.retry_waits):
        if (folder() / f"down-{share.number}").exists():
            raise StoreUnavailable("the store is down: start it")
        if (folder() / f"deadly-{share.number}").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if (folder() / "game").exists():
            _play()
        if (folder() / "deaf").exists():
            _be_deaf()
        if (folder() / f"wrong-{share.number}").exists():
            raise dg.Failure("This share is wrong: correct it.", allow_retries=False)
        while (folder() / "busy").exists():
            sum(range(1000))
        while (folder() / "slow").exists():
            time.sleep(0.02)
        time.sleep(float((folder() / "work_s").read_text()) if (folder() / "work_s").exists() else 0.05)
    (folder() / f"done-{share.number}-{begin:.4f}-{time.monotonic():.4f}").touch()
    return Done(blocks=len(share.blocks), pid=os.getpid())


@dg.op
def whole(done: list[Done]) -> dg.Output[None]:
    return dg.Output(None, metadata={"blocks": sum(each.blocks for each in done), "shares": len(done)})


@dg.graph_asset(partitions_def=SURVEYS)
def shared() -> None:
    return whole(plan_shares().map(do_share).collect())


@dg.asset(partitions_def=SURVEYS, deps=[shared])
def after() -> None:
    """Stand for the layers that follow."""


def defs() -> dg.Definitions:
    """Return the job `survey`, with the settings of the process that loads it."""
    settings = Settings()
    return dg.Definitions(
        assets=[shared, after],
        jobs=[dg.define_asset_job("survey", selection=[shared, after])],
        resources=configured_resources(settings, {"settings": settings, "io_manager": step_values}),
        executor=by_size_executor(settings),
    )
