"""A survey's events in the log: every change that pages show, once, with the change itself."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text, update

from imageflow_clients.database.core import event_positions, events
from imageflow_clients.database.core.event_reading import Reader, read_on
from imageflow_clients.database.core.schema import events as table
from imageflow_clients.database.maps import attempts, layers
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.events import BEGINNING
from imageflow_domain.survey import Carrier, Layer, Survey, SurveyState
from imageflow_domain.survey_events import subject_of
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.sweep import sweep
from tests.surveys.cities import city
from tests.surveys.states import in_state


def planned(stores: Stores, save: str) -> Survey:
    return plan_survey(stores, city(save).model_copy(update={"block_side": 2}), Carrier.OPERATOR)


def told(stores: Stores, survey: Survey) -> list[tuple[str, dict[str, Any]]]:
    with stores.database.begin() as connection:
        found = events.read_subject(connection, subject_of(survey.id), after=BEGINNING, limit=1_000)
    return [(one.event.kind, dict(one.event.data)) for one in found]


def test_states_and_blocks_of_a_survey_are_events(stores: Stores) -> None:
    survey = in_state(stores, planned(stores, "told"), SurveyState.RUNNING)
    first, second = survey.blocks()[:2]
    with stores.database.begin() as connection:
        attempts.begin(connection, survey.id, Layer.SCREENSHOTS, second, "run-1")
        attempts.fail(connection, survey.id, Layer.SCREENSHOTS, second, "run-1", "It is too dark.")
        attempts.fail(connection, survey.id, Layer.SCREENSHOTS, second, "another run", "which is unknown")
    capture_blocks(stores, survey, [first])
    with stores.database.begin() as connection:
        layers.reopen_registration(connection, survey.id, [first])
    states.cancel(stores, survey.id, "to be deleted")
    remove_survey(stores, states.read(stores, survey.id))
    shots, pairs = {"layer": "screenshots"}, {"layer": "pair_offsets"}
    assert told(stores, survey) == [
        ("state", {"state": "planned"}),
        ("state", {"state": "running"}),
        ("block", {**shots, "block": second.key, "change": "begun"}),
        ("block", {**shots, "block": second.key, "change": "failed"}),
        ("block", {**shots, "block": first.key, "change": "done"}),
        ("block", {**pairs, "block": first.key, "change": "reopened"}),
        ("state", {"state": "cancelled"}),
        ("deleted", {}),
    ]


def test_every_layer_that_becomes_whole_is_an_event(stores: Stores, shown: Survey) -> None:
    found = told(stores, shown)
    done = [data["layer"] for kind, data in found if kind == "layer" and data["change"] == "done"]
    assert done[:2] == ["coordinates", "overviews"]
    assert [data for _, data in found if data.get("change") == "reopened"] == []
    for layer in ("screenshots", "pair_offsets", "tiles"):
        blocks = [data["block"] for kind, data in found if kind == "block" and data == {**data, "layer": layer}]
        assert set(blocks) == {block.key for block in shown.blocks()}


def test_the_sweep_forgets_events_that_are_a_week_old_and_read(stores: Stores) -> None:
    survey = planned(stores, "old")
    sweep(stores)
    assert told(stores, survey) == [("state", {"state": "planned"})]
    with stores.database.begin() as connection:
        connection.execute(update(table).values(created_at=table.c.created_at - timedelta(days=8)))
        rows.set_state(connection, survey.id, SurveyState.RUNNING)
    sweep(stores)
    assert len(told(stores, survey)) == 2, "no reader has read them yet"
    for reader in Reader:
        read_on(stores.database, reader, lambda *_: None)
    sweep(stores)
    with stores.database.begin() as connection:
        left = connection.execute(text("SELECT kind, data FROM events")).all()
        assert [(row.kind, row.data) for row in left] == [("state", {"state": "running"})]
        assert event_positions.last_position(connection) > 1
