"""The whole stack, started once as a user starts it: `imageflow up` in a home of its own, on free ports."""

import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.stack import EXAMPLE, ROOT, Cli, Stack, environment, free_port, running_stack

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
    with running_stack(cli) as running:
        yield running
