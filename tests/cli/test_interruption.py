"""Ctrl-C, SIGTERM and SIGKILL in the middle of `survey run`: it ends at once and says how to go on, and that works."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imageflow_clients.database import Connection, layers
from imageflow_clients.database import surveys as rows
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from tests.cli.here import Here, command_line
from tests.e2e.stack import wait_for

pytestmark = pytest.mark.e2e

Moment = Callable[[Connection, str], bool]


def _taking(connection: Connection, survey: str) -> bool:
    return layers.shots(connection, survey).taken >= 2


def _cutting(connection: Connection, survey: str) -> bool:
    return layers.progress(connection, survey).tiles_cut >= 1


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """For what is asked and resumed afterwards; the surveys that are interrupted have processes of their own."""
    with command_line(tmp_path_factory.mktemp("interrupted") / "home") as cli:
        yield cli


@pytest.fixture(scope="module")
def stores(cli: Here) -> Iterator[Stores]:
    opened = open_stores(Settings(home=cli.home))
    yield opened
    opened.database.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [_taking, _cutting], ids=["taking screenshots", "cutting tiles"])
def test_an_interrupted_survey_ends_at_once_and_can_be_resumed(
    cli: Here, stores: Stores, number: signal.Signals, moment: Moment
) -> None:
    with _begun(cli, stores, moment) as (process, survey):
        begin = time.monotonic()
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert time.monotonic() - begin < 15
        assert process.returncode == 130
        assert "Traceback" not in said
    shown = cli.json("survey", "show", survey)
    assert shown["state"] == "cancelled"
    assert shown["reason"] == f"Interrupted: `imageflow survey resume {survey}` goes on."
    cli.run("survey", "resume", survey)
    assert cli.json("survey", "show", survey)["state"] == "completed"


def test_a_survey_whose_command_line_was_killed_in_a_pooled_step_can_be_resumed_without_a_stack(
    cli: Here, stores: Stores
) -> None:
    for _ in range(2):  # as many as the pool of tiles has slots
        with _begun(cli, stores, _cutting) as (process, survey):
            process.kill()
    wait_for(lambda: cli.attempt("survey", "resume", survey), 120, lambda: f"{survey} cannot be resumed", every_s=2)
    assert cli.json("survey", "show", survey)["state"] == "completed"


@contextmanager
def _begun(cli: Here, stores: Stores, moment: Moment) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start a survey of four blocks; give its process, which ends with the `with` block, when the moment has come."""
    before = {one.id for one in _all(stores)}
    process = subprocess.Popen(
        [
            sys.executable, "-m", "imageflow_cli.main", "survey", "run", "--driver", "city", "--grid", "4x4",
            "--block-side", "2", "--game", "city", "--save", "broken", "--set", "view=[640,512]",
            "--set", "pace_s=0.1",
        ],
        env=cli.env,
        cwd=Path(cli.home).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip

    def come() -> str | None:
        assert process.poll() is None, process.communicate()
        for one in _all(stores):
            if one.id not in before:
                with stores.database.begin() as connection:
                    if moment(connection, one.id):
                        return one.id
        return None

    try:
        yield process, wait_for(come, 90, lambda: "the moment did not come", every_s=0.05)
    finally:
        process.kill()
        process.communicate()


def _all(stores: Stores) -> tuple[rows.Survey, ...]:
    with stores.database.begin() as connection:
        return rows.find(connection)
