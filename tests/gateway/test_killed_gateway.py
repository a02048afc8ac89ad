"""A gateway is killed (SIGKILL) while clients follow, and another one is started at its address."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, Layer, SurveyState
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.plan import plan_survey
from tests.executions.conftest import engine_over
from tests.executions.starts import ended, small, started
from tests.gateway.answers import V1
from tests.gateway.test_events import spec_of
from tests.surveys.states import in_state

PATIENCE_S = 60.0

Told = tuple[str, str]
"""Id and data of a server-sent event."""


@contextmanager
def _following(url: str, last: str | None = None) -> Iterator[Iterator[Told]]:
    headers = {"last-event-id": last} if last else {}
    with (
        httpx.Client(trust_env=False, timeout=PATIENCE_S) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        assert response.status_code == 200, response.read()
        yield _events(response)


def _events(response: httpx.Response) -> Iterator[Told]:
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields and not line:
            yield fields.get("id", ""), fields["data"]
            fields = {}


@pytest.fixture
def begin(start: Callable[[Settings], Any], settings: Settings, free_port: Callable[[], int]) -> Callable[[], Any]:
    """Start a gateway, each time at the same address."""
    there = settings.model_copy(update={"gateway_port": free_port()})

    def begun() -> Any:
        gateway = start(there)
        gateway.wait()
        return gateway

    return begun


def _kill(gateway: Any) -> None:
    gateway.process.kill()
    gateway.process.wait()


@pytest.mark.usefixtures("live_pipeline")
def test_a_client_of_an_execution_gets_each_change_once(begin: Callable[[], Any], stores: Stores) -> None:
    execution = started(stores, small("live")).id
    gateway = begin()
    url = f"{gateway.url}{V1}/executions/{execution}/events"
    with _following(url) as events:
        seen = [next(events)]
        with engine_over(stores):
            seen.append(next(events))
            _kill(gateway)
            with pytest.raises(httpx.TransportError):
                seen += events
            ended(stores, execution)
    begin()
    with _following(url, seen[-1][0]) as events:
        seen += events
    with _following(url) as events:
        whole = list(events)
    # who follows from the beginning gets a snapshot of the end; the changes before it are those of the log
    ids = [tuple(map(int, number.split("-"))) for number, _ in seen]
    assert ids == sorted(set(ids))
    assert '"completed"' in seen[-1][1]
    assert seen[-1][0] == whole[-1][0]
    done = [data for _, data in seen if '"step"' in data and '"done"' in data]
    assert len(done) == len(set(done)) == len(small()["steps"])


def test_a_page_of_a_survey_has_the_whole_state_again_and_then_each_change(
    begin: Callable[[], Any], stores: Stores
) -> None:
    survey = in_state(stores, plan_survey(stores, spec_of("killed_gateway"), Carrier.OPERATOR), SurveyState.RUNNING)
    first, second, *_ = survey.blocks()
    gateway = begin()
    url = f"{gateway.url}{V1}/surveys/{survey.id}/events"
    with _following(url) as events:
        last, _ = next(events)
        _kill(gateway)
    capture_blocks(stores, survey, [first])
    begin()
    with _following(url, last) as events:
        _, state = next(events)
        assert '"full":true' in state.replace(" ", "")
        assert _captured(state) == {first.key}
        capture_blocks(stores, survey, [second])
        _, change = next(events)
        assert _captured(change) == {second.key}


def _captured(data: str) -> set[str]:
    return {
        block["key"]
        for block in httpx.Response(200, content=data).json()["blocks"]
        for one in block["layers"]
        if one["layer"] == Layer.SCREENSHOTS and one["state"] == "done"
    }
