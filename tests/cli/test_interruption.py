"""Ctrl-C, SIGTERM and SIGKILL in the middle of `survey run`: it ends at once and says how to go on, and that works."""

import signal
import time
from collections.abc import Iterator

import pytest

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from tests.cli.begun import Moment, begun, cutting, taking
from tests.cli.here import Here, command_line
from tests.e2e.stack import wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """For later commands; the surveys that are interrupted have processes of their own."""
    with command_line(tmp_path_factory.mktemp("interrupted") / "home") as cli:
        yield cli


@pytest.fixture(scope="module")
def stores(cli: Here) -> Iterator[Stores]:
    opened = open_stores(Settings(home=cli.home))
    yield opened
    opened.database.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [taking, cutting], ids=["taking screenshots", "cutting tiles"])
def test_an_interrupted_survey_ends_at_once_and_can_be_resumed(
    cli: Here, stores: Stores, number: signal.Signals, moment: Moment
) -> None:
    with begun(cli, stores, moment) as (process, survey):
        begin = time.monotonic()
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert time.monotonic() - begin < 15
        assert process.returncode == 130, said
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
        with begun(cli, stores, cutting) as (process, survey):
            process.kill()
    wait_for(lambda: cli.attempt("survey", "resume", survey), 120, lambda: f"{survey} cannot be resumed", every_s=2)
    assert cli.json("survey", "show", survey)["state"] == "completed"
