"""Followers by any protocol, where the database or the log does not have what they ask for."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from imageflow_clients.database.core.engine import open_database
from imageflow_clients.settings import Settings
from imageflow_domain.errors import DatabaseUnavailable
from imageflow_domain.events import EventCursor
from imageflow_edge.changes import changes
from imageflow_edge.hub import Hub


@dataclass(frozen=True)
class Ended:
    cursor: EventCursor
    is_end: bool = True


def test_a_database_that_is_away_while_a_follower_reads_how_it_stands_does_not_end_it(
    databases: Callable[[], SecretStr], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imageflow_edge.changes._RETRY_S", 0.01)
    end = Ended(EventCursor(epoch=2, seq=9))
    answers: list[Ended | Exception] = [DatabaseUnavailable("away"), DatabaseUnavailable("still away"), end]

    async def read() -> Ended:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def follow() -> list[object]:
        with open_database(Settings(home=tmp_path, database_url=databases())) as database:
            hub = Hub(database)
            forgotten = EventCursor(epoch=1, seq=5)
            try:
                return [one async for one in changes(hub, "execution/a", read, begin=forgotten, beat_s=60)]
            finally:
                hub.close()

    assert asyncio.run(asyncio.wait_for(follow(), 60)) == [None, None, end]
