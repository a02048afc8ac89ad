"""Following an execution while the server that is asked stops."""

from collections.abc import Iterator

import pytest

from imageflow.client import Change, Client
from tests.client.stub_gateway import ADDRESS, EXECUTION, Request, event, execution, stub_gateway

LOG = (
    event(1, "state", state="queued"),
    event(2, "state", state="running"),
    event(3, "step", step="decode", status="done", seconds=0.1),
    event(4, "state", state="completed"),
)


class Stopping:
    """Streams end after so many events each, as those of a process that stops; the execution ends after the first."""

    def __init__(self, *streams: int) -> None:
        self._streams = list(streams)
        self._has_ended = False

    def __call__(self, request: Request) -> Iterator[bytes]:
        if request.path == ADDRESS:
            yield execution("completed")
        elif not request.after:
            last, state = (4, "completed") if self._has_ended else (1, "queued")
            yield event(last, "snapshot", state=state, steps=[])
        if request.path.endswith("/events") and (request.after or not self._has_ended):
            known = int(request.after.partition("-")[2] or 1)
            most = self._streams.pop(0) if self._streams else len(LOG)
            self._has_ended = True
            yield from LOG[known:][:most]


def watched(streams: tuple[int, ...], after: str = "") -> list[Change]:
    with stub_gateway(Stopping(*streams)) as url, Client(url, protocol="rest") as client:
        return list(client.watch(EXECUTION, after=after, deadline_s=30))


@pytest.mark.parametrize("streams", [(), (0,), (1,), (2,), (1, 0), (1, 1, 0)])
def test_every_change_comes_where_streams_end_before_the_execution_does(streams: tuple[int, ...]) -> None:
    changes = watched(streams)
    assert [change.cursor for change in changes] == ["1-1", "1-2", "1-3", "1-4"]
    assert [change.is_end for change in changes] == [False, False, False, True]


def test_nothing_comes_after_the_end() -> None:
    assert watched((), after="1-4") == []
