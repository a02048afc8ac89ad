"""Progress pushed to pages, from a gateway that really streams: which events, in which order, to how many clients."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from sqlalchemy import event, func, text, update
from sqlalchemy.exc import OperationalError

from imageflow_clients.database.core import heartbeats
from imageflow_clients.database.core.schema import run_heartbeats
from imageflow_clients.database.maps import attempts, leases
from imageflow_clients.database.maps.leases import Lease
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, Layer, Survey, SurveyState
from imageflow_gateway.app import create_app
from imageflow_gateway.dagster_links import DagsterLinks
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.remove import remove_survey
from tests.gateway.conftest import city
from tests.surveys.states import in_state
from tests.thorough import repeated

PATIENCE_S = 20.0
_SLOW_S = repeated(4.0, 66.0)


@dataclass(frozen=True)
class Told:
    """One server-sent event."""

    name: str
    id: str
    data: dict[str, Any]


def spec_of(save: str) -> Any:
    return city(save).model_copy(update={"block_side": 2})


def _events(response: httpx.Response) -> Iterator[Told]:
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Told(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
            fields = {}


@contextmanager
def _watch(served: Any, survey: str, last: str | None = None) -> Iterator[Iterator[Told]]:
    headers = {"last-event-id": last} if last else {}
    address = f"{served.url}/api/v1/surveys/{survey}/events"
    with (
        httpx.Client(trust_env=False, timeout=PATIENCE_S) as client,
        client.stream("GET", address, headers=headers) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _events(response)


def _states(told: Told, layer: Layer) -> dict[str, str]:
    return {
        block["key"]: one["state"] for block in told.data["blocks"] for one in block["layers"] if one["layer"] == layer
    }


@pytest.fixture
def running(stores: Stores, request: pytest.FixtureRequest) -> Survey:
    name = request.node.name.removeprefix("test_").split("[")[0][:60]
    survey = plan_survey(stores, spec_of(name), Carrier.OPERATOR)
    return in_state(stores, survey, SurveyState.RUNNING)


def test_the_first_event_tells_everything_and_the_next_what_changed(
    served: Any, stores: Stores, running: Survey
) -> None:
    with _watch(served, running.id) as events:
        first = next(events)
        assert (first.name, first.data["full"], first.data["state"]) == ("progress", True, "running")
        assert set(_states(first, Layer.SCREENSHOTS).values()) == {"missing"}
        block = running.blocks()[1]
        capture_blocks(stores, running, [block])
        second = next(events)
        assert (second.data["full"], _states(second, Layer.SCREENSHOTS)) == (False, {block.key: "done"})
        assert second.data["stages"][0]["done"] == 1
        assert second.data["progress"] > first.data["progress"]


def test_what_runs_is_told_without_dagster_and_no_more_once_its_worker_is_silent(
    served: Any, stores: Stores, running: Survey
) -> None:
    block = running.blocks()[0]
    lease = Lease(survey_id=running.id, run_id="run-1", root_run_id="run-1", again=False, reopened=(), done_before=0)
    with stores.database.begin() as connection:
        leases.take(connection, lease)
        heartbeats.beat(connection, "run-1", running.id)
        attempts.begin(connection, running.id, Layer.SCREENSHOTS, block, "run-1")
    with _watch(served, running.id) as events:
        first = next(events)
        assert _states(first, Layer.SCREENSHOTS)[block.key] == "running"
        stage = first.data["stages"][0]
        assert (stage["state"], stage["run_id"], stage["run_url"].endswith("/runs/run-1")) == ("running", "run-1", True)
        beats = run_heartbeats
        long_ago = func.now() - timedelta(seconds=states.SILENCE_S + 1)
        with stores.database.begin() as connection:
            connection.execute(update(beats).where(beats.c.run_id == "run-1").values(seen_at=long_ago))
        second = next(events)
        assert (second.data["full"], _states(second, Layer.SCREENSHOTS)) == (False, {block.key: "missing"})
        assert (second.data["stages"][0]["state"], second.data["stages"][0]["run_url"]) == ("missing", None)


def test_a_client_that_lost_its_connection_goes_on_where_it_was(served: Any, stores: Stores, running: Survey) -> None:
    with _watch(served, running.id) as events:
        first = next(events)
    for block in running.blocks()[:2]:
        capture_blocks(stores, running, [block])
        time.sleep(1.5)
    with _watch(served, running.id, first.id) as events:
        missed = next(events)
    assert not missed.data["full"]
    assert set(_states(missed, Layer.SCREENSHOTS)) == {block.key for block in running.blocks()[:2]}
    # an id of another gateway, or an unknown one: everything is sent again
    for unknown in ("0123456789ab-1", "nonsense", f"{first.id.split('-')[0]}-999999999999", "-1"):
        with _watch(served, running.id, unknown) as events:
            assert next(events).data["full"]


_REASONS = {SurveyState.FAILED: "It is too dark.", SurveyState.CANCELLED: "No more."}


@pytest.mark.parametrize("state", [SurveyState.COMPLETED, SurveyState.FAILED, SurveyState.CANCELLED])
def test_the_stream_ends_with_the_survey_and_is_not_begun_again(
    served: Any, stores: Stores, running: Survey, state: SurveyState
) -> None:
    with _watch(served, running.id) as events:
        next(events)
        in_state(stores, running, state, _REASONS.get(state))
        told = list(events)
    assert [one.name for one in told] == ["progress", "end"]
    assert told[0].data["state"] == told[1].data["state"] == state
    assert told[0].data["reason"] == _REASONS.get(state)
    again = httpx.get(
        f"{served.url}/api/v1/surveys/{running.id}/events", headers={"last-event-id": told[1].id}, trust_env=False
    )
    assert (again.status_code, again.content) == (204, b"")
    # taken up again, it has events again
    states.take_up(stores, running.id, Carrier.OPERATOR)
    with _watch(served, running.id, told[1].id) as events:
        assert next(events).data["state"] == "planned"


def test_the_stream_of_a_deleted_survey_says_so_and_ends(served: Any, stores: Stores, running: Survey) -> None:
    with _watch(served, running.id) as events:
        next(events)
        states.cancel(stores, running.id, "to be deleted")
        remove_survey(stores, states.read(stores, running.id))
        told = list(events)
    assert told[-1].name == "end"
    assert told[-1].data["state"] in {"deleted", "cancelled"}
    answer = httpx.get(f"{served.url}/api/v1/surveys/{running.id}/events", trust_env=False)
    assert answer.status_code == 404


def test_a_survey_that_is_not_there_has_no_stream(client: Any) -> None:
    assert client.get("/api/v1/surveys/city-nobody-0001/events").status_code == 404
    assert client.get("/api/v1/surveys/nobody/events").status_code == 422


def test_fifty_clients_cost_one_poller_and_hold_no_connection(
    start: Callable[[Settings], Any], settings: Settings, stores: Stores, running: Survey, free_port: Callable[[], int]
) -> None:
    gateway = start(settings.model_copy(update={"gateway_port": free_port()}))
    gateway.wait()
    got: list[Told] = []
    enough = threading.Semaphore(0)
    stop = threading.Event()

    def watch() -> None:
        with _watch(gateway, running.id) as events:
            for told in events:
                got.append(told)
                enough.release()
                if stop.is_set() or told.name == "end":
                    return

    def asked_in(seconds: float) -> int:
        counted = text("SELECT sum(seq_scan + idx_scan) FROM pg_stat_user_tables")
        sums = []
        for wait_s in (0.0, seconds):
            time.sleep(wait_s)
            with stores.database.begin() as connection:
                sums.append(int(connection.execute(counted).scalar_one()))
        return sums[1] - sums[0]

    threads = [threading.Thread(target=watch, daemon=True) for _ in range(50)]
    threads[0].start()
    assert enough.acquire(timeout=PATIENCE_S)
    of_one = asked_in(4)
    for thread in threads[1:]:
        thread.start()
    assert all(enough.acquire(timeout=PATIENCE_S) for _ in threads[1:])
    with stores.database.begin() as connection:
        busy = connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'imageflow' AND state <> 'idle'"
            )
        ).scalar_one()
    assert busy <= 4, "this test's own, and at most one of each poller"
    # the database counts a moment late: fifty clients that asked by themselves would ask fifty times as much
    assert asked_in(4) < 3 * of_one + 100
    # other requests are answered as ever
    begun = time.perf_counter()
    assert httpx.get(f"{gateway.url}/api/v1/surveys/{running.id}", trust_env=False).status_code == 200
    assert time.perf_counter() - begun < 5
    stop.set()
    capture_blocks(stores, running, running.blocks()[:1])
    assert all(enough.acquire(timeout=PATIENCE_S) for _ in threads)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert {told.data["stages"][0]["done"] for told in got[-50:]} == {1}


def test_hundreds_of_pages_watch_at_once_and_others_are_answered(served: Any, stores: Stores, running: Survey) -> None:
    request = f"GET /api/v1/surveys/{running.id}/events HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()

    async def watch() -> None:
        pages = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(300)]
        for _, writer in pages:
            writer.write(request)
        for reader, _ in pages:
            await reader.readuntil(b"event: progress")
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
            assert (await client.get(f"{served.url}/api/v1/surveys/{running.id}")).status_code == 200
        await asyncio.to_thread(capture_blocks, stores, running, running.blocks()[:1])
        for reader, writer in pages:
            await reader.readuntil(b"event: progress")
            writer.close()

    asyncio.run(asyncio.wait_for(watch(), 5 * PATIENCE_S))


def test_a_page_that_does_not_read_for_a_while_gets_every_change(served: Any, stores: Stores, running: Survey) -> None:
    with _watch(served, running.id) as events:
        next(events)
        for block in running.blocks():
            capture_blocks(stores, running, [block])
            time.sleep(_SLOW_S / len(running.blocks()))
        changed: list[str] = []
        while len(changed) < len(running.blocks()):
            changed += _states(next(events), Layer.SCREENSHOTS)
    assert changed == [block.key for block in running.blocks()]


def test_a_page_that_is_closed_is_noticed(served: Any, settings: Settings, running: Survey) -> None:
    with _watch(served, running.id) as events:
        next(events)
    log = settings.home / f"gateway-{served.port}.log"
    until = time.monotonic() + PATIENCE_S
    # a request is logged once it is over
    while f"{running.id}/events" not in log.read_text():
        assert time.monotonic() < until, "the stream of a page that is gone goes on"
        time.sleep(0.2)


def test_a_gateway_that_stops_ends_its_streams_at_once(
    start: Callable[[Settings], Any], settings: Settings, running: Survey, free_port: Callable[[], int]
) -> None:
    gateway = start(settings.model_copy(update={"gateway_port": free_port()}))
    gateway.wait()
    with _watch(gateway, running.id) as events:
        next(events)
        log = gateway.stop()
        assert list(events) == []
    assert "cut off" not in log, "the stream was waited for, and then ended by force"


def test_a_lost_database_is_told_as_trouble_and_then_goes_on(
    settings: Settings, stores: Stores, running: Survey
) -> None:
    """Within one process, so that its connections can be taken away."""
    watching = create_app(settings, stores).state.gateway.watching
    broken = threading.Event()

    async def watch() -> list[str]:
        stream = await watching.subscribe(running.id, DagsterLinks(base_url="http://d"), None)
        assert stream is not None
        told = [(await anext(stream)).decode()]
        broken.set()
        told.append((await anext(stream)).decode())
        broken.clear()
        told.append((await anext(stream)).decode())
        await stream.aclose()
        watching.close()
        return told

    engine = stores.database.engine

    def cut(connection: Any, *_: Any) -> None:
        if broken.is_set():
            raise OperationalError("select", {}, Exception("the server closed the connection"))

    event.listen(engine, "before_cursor_execute", cut)
    try:
        told = anyio.run(watch)
    finally:
        event.remove(engine, "before_cursor_execute", cut)
    assert ["trouble" in one.split("\n", 2)[0 if one.startswith("event") else 1] for one in told] == [
        False,
        True,
        False,
    ]
    assert "DATABASE_UNAVAILABLE" in told[1]
