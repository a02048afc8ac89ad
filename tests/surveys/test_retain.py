"""Retention: which surveys a rule no longer keeps."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from imageflow_clients.database.maps import schema, tile_schema, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Encoding, Survey, SurveyState
from imageflow_surveys import states
from imageflow_surveys.blocks import cut_blocks
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.reencode import ask_to_reencode
from imageflow_surveys.retain import REVISION_LIFE, Retention, expired_surveys, retire_revisions
from tests.surveys.cities import city, cut, digests, planned, published

MONTH = timedelta(days=30)


def _age(stores: Stores, survey: Survey, days: float) -> None:
    """Make a survey look as if all of it had happened so long ago."""
    then = datetime.now(UTC) - timedelta(days=days)
    with stores.database.begin() as connection:
        table, layers = schema.surveys, tile_schema.tile_layers
        connection.execute(update(table).where(table.c.id == survey.id).values(created_at=then, published_at=then))
        connection.execute(update(layers).where(layers.c.survey_id == survey.id).values(created_at=then))


def _expired(stores: Stores, rule: Retention, save: str) -> list[str]:
    return [survey.id for survey in expired_surveys(stores, rule) if survey.spec.save == save]


def test_the_newest_of_a_save_stay_and_older_ones_go_once_they_are_old_enough(stores: Stores) -> None:
    surveys = [published(stores, city("retained", seed=700)) for _ in range(4)]
    for survey, days in zip(surveys, (90, 60, 50, 40), strict=True):
        assert states.settle(stores, survey, None, None, SurveyState.COMPLETED)
        _age(stores, survey, days)
    names = [survey.id for survey in surveys]
    assert _expired(stores, Retention(keep=2, older_than=MONTH), "retained") == names[:2]
    assert _expired(stores, Retention(keep=2, older_than=timedelta(days=80)), "retained") == names[:1]
    assert _expired(stores, Retention(keep=4, older_than=MONTH), "retained") == []


def test_without_a_number_everything_stays(stores: Stores) -> None:
    survey = published(stores, city("all_stay", seed=700))
    _age(stores, survey, 4000)
    assert expired_surveys(stores, Retention(keep=None)) == ()


@pytest.mark.parametrize(
    ("state", "goes"),
    [
        (SurveyState.FAILED, True),
        (SurveyState.CANCELLED, True),
        (SurveyState.PLANNED, False),
        (SurveyState.RUNNING, False),
    ],
)
def test_of_surveys_without_a_map_only_those_that_ended_go(stores: Stores, state: SurveyState, goes: bool) -> None:
    save = f"no_map_{state}"
    survey = planned(stores, city(save))
    _age(stores, survey, 60)
    with stores.database.begin() as connection:
        table = schema.surveys
        connection.execute(update(table).where(table.c.id == survey.id).values(state=state, published_at=None))
    assert _expired(stores, Retention(keep=1, older_than=MONTH), save) == ([survey.id] if goes else [])


def test_a_survey_whose_map_was_withheld_goes_by_its_age(stores: Stores) -> None:
    survey = cut(stores, city("withheld_goes", seed=701))
    assert states.settle(stores, survey, None, None, SurveyState.COMPLETED)
    with stores.database.begin() as connection:
        rows.withhold(connection, survey, 9, "2 loops do not close.")
    assert _expired(stores, Retention(keep=1, older_than=MONTH), "withheld_goes") == []
    _age(stores, survey, 60)
    assert _expired(stores, Retention(keep=1, older_than=MONTH), "withheld_goes") == [survey.id]


def test_a_save_s_latest_stays_whatever_its_age(stores: Stores) -> None:
    """A survey that was published after newer ones is the one that is shown."""
    first, second = published(stores, city("shown_stays", seed=701)), published(stores, city("shown_stays", seed=701))
    for survey, days in ((first, 90), (second, 80)):
        assert states.settle(stores, survey, None, None, SurveyState.COMPLETED)
        _age(stores, survey, days)
    make_overviews(stores, states.read(stores, first.id))
    assert _expired(stores, Retention(keep=1, older_than=MONTH), "shown_stays") == []


def test_a_superseded_revision_goes_once_nobody_can_have_its_addresses_cached(stores: Stores) -> None:
    survey = published(stores, city("superseded", seed=702))
    old = survey.published().revision
    asked = ask_to_reencode(stores, survey.id, Encoding(lossless_method=3))
    cut_blocks(stores, asked, asked.blocks())
    make_overviews(stores, asked)
    survey = states.read(stores, survey.id)
    wanted = digests(stores, survey)
    retire_revisions(stores)
    assert _layers(stores, survey) == {old, survey.published_revision}
    _age(stores, survey, REVISION_LIFE.days + 1)
    assert retire_revisions(stores, dry_run=True) >= 1
    assert _layers(stores, survey) == {old, survey.published_revision}
    retire_revisions(stores)
    assert _layers(stores, survey) == {survey.published_revision}
    assert digests(stores, survey) == wanted


def _layers(stores: Stores, survey: Survey) -> set[str]:
    with stores.database.begin() as connection:
        return {layer.revision for layer in tiles.layers_of_survey(connection, survey.id)}
