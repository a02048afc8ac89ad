"""A database that version 0.4 wrote is migrated with all that is in it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from imageflow_clients.database.core.engine import migrate_database
from imageflow_clients.database.core.migrating import newest_revision
from imageflow_clients.database.maps import placements, tiles
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.inspection import Verdict
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import SurveyState
from imageflow_inspection.batches import list_batches
from imageflow_inspection.results import find_results
from imageflow_inspection.verify import verify
from imageflow_surveys import states
from imageflow_surveys.markers import list_markers
from tests.clients.servers import ROOT
from tests.databases import SharedPostgres

SURVEY = "city-old-0001"


@pytest.fixture
def stores(shared_postgres: SharedPostgres, tmp_path: Path) -> Iterator[Stores]:
    url = shared_postgres.empty()
    dump = (ROOT / "tests" / "data" / "imageflow-0.4" / "database.sql").read_bytes()
    with psycopg.connect(url.get_secret_value().replace("+psycopg", "")) as connection:
        connection.execute(dump)
    settings = Settings(home=tmp_path, database_url=url)
    assert migrate_database(settings) == ("0004", newest_revision())
    opened = open_stores(settings)
    with opened.database:
        yield opened


def test_its_survey_has_its_map_and_its_marker(stores: Stores) -> None:
    survey = states.read(stores, SURVEY)
    assert (survey.state, survey.spec.driver.name) == (SurveyState.COMPLETED, "city")
    with stores.database.begin() as connection:
        placed = placements.placements(connection, SURVEY)
        (layer,) = tiles.layers_of_survey(connection, SURVEY)
        assert len(list(tiles.every(connection, SURVEY, layer.revision))) == 15
    assert len(placed) == 6
    assert {placement.status for placement in placed} == {PlacementStatus.ANCHORED}
    (marker,) = list_markers(stores, "city", "old")
    assert (marker.x_px, marker.y_px, marker.text.name) == (100, 90, "Harbour")


def test_its_batch_has_its_verdicts_and_people_may_give_more(stores: Stores) -> None:
    (batch,) = list_batches(stores, product="part").items
    assert batch.inspection is not None
    assert (batch.batch.name, batch.inspection.passed, batch.inspection.failed) == ("first", 1, 1)
    results = find_results(stores, batch=batch.batch.id).items
    assert [found.result.verdict for found in results] == [Verdict.FAIL, Verdict.PASS]
    further = verify(stores, batch.inspection.id, 0, Verdict.FAIL, inspector="bob")
    assert further.id == 2
