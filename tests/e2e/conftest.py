"""The whole stack, started once as a user starts it: `imageflow up` in a home of its own, on free ports."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.e2e.stack import EXAMPLE, ROOT, Cli, Stack, environment, free_port

_READY_S = 120
_SLOW_CITY = """
title: A city whose camera takes its time
driver: {name: city, parameters: {seed: 3, pace_s: 1, view: [640, 512], drift_px: 8}}
grid: {rows: 4, cols: 4}
"""


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    folder = tmp_path_factory.mktemp("one machine")
    shutil.copytree(ROOT / "games", folder / "games")
    (folder / "games" / "slow_city.yaml").write_text(_SLOW_CITY)
    ports = {"IMAGEFLOW_GATEWAY_PORT": str(free_port()), "IMAGEFLOW_DAGSTER_PORT": str(free_port())}
    return Cli(home=folder / ".imageflow", env=environment(folder / ".imageflow", **ports))


@pytest.fixture(scope="session")
def example_survey(cli: Cli) -> str:
    """The example frames, surveyed by command line."""
    name = cli.json(
        "survey", "run", "--driver", "folder", "--source", str(EXAMPLE), "--game", "openttd", "--save", "example"
    )
    return str(name["survey"])


@pytest.fixture(scope="session")
def stack(cli: Cli, example_survey: str) -> Iterator[Stack]:
    process = subprocess.Popen(
        [sys.executable, "-m", "imageflow_cli.main", "up"],
        env=cli.env,
        cwd=cli.home.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    addresses: dict[str, str] = {}
    deadline = time.monotonic() + _READY_S
    said: list[str] = []
    while len(addresses) < 2 and time.monotonic() < deadline:
        line = process.stdout.readline()
        if not line:
            break
        said.append(line)
        name, _, address = line.partition(":")
        if address.strip().startswith("http"):
            addresses[name] = address.strip().rstrip("/")
    assert set(addresses) == {"Map", "Dagster"}, "".join(said)
    yield Stack(cli=cli, gateway=addresses["Map"], dagster=addresses["Dagster"], process=process)
    process.send_signal(signal.SIGINT)
    process.wait(60)
