"""A survey by command line in a process of its own, caught at a moment."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import layers
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from tests.cli.here import Here
from tests.e2e.stack import wait_for

Moment = Callable[[Connection, str], bool]


def taking(connection: Connection, survey: str) -> bool:
    return layers.shots(connection, survey).taken >= 2


def cutting(connection: Connection, survey: str) -> bool:
    return layers.progress(connection, survey).tiles_cut >= 1


@contextmanager
def begun(cli: Here, stores: Stores, moment: Moment) -> Iterator[tuple["subprocess.Popen[str]", str]]:
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
