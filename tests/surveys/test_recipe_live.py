"""A recipe under `games/` on its real game, from the start to the map; `make games` has the others."""

from pathlib import Path

import pytest

from bench.game_positions import compare
from imageflow_clients.database.maps import layers
from imageflow_clients.stores import Stores
from imageflow_domain.capture import Turn
from imageflow_domain.grid import Grid
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import Keep
from imageflow_surveys import trust
from imageflow_surveys.games import JobRequest, survey_spec
from imageflow_surveys.shots import shots_of
from tests.game_capture.conftest import need
from tests.surveys.cities import carried, places_of, planned

RECIPES = Path(__file__).parents[2] / "games"

pytestmark = pytest.mark.timeout(300)


def test_lincity_becomes_a_whole_map_with_every_screenshot_where_its_pixels_say(stores: Stores) -> None:
    need("Xvfb", "xdotool", "lincity-ng")
    request = JobRequest(game_id="lincity", save_data_id="live", grid=Grid(rows=3, cols=3))
    spec = survey_spec(RECIPES, request).model_copy(update={"keep": Keep.KEEP})
    survey = carried(stores, planned(stores, spec))
    with stores.database.begin() as connection:
        progress, shots = layers.progress(connection, survey.id), layers.shots(connection, survey.id)
    assert (progress.tasks_done, shots.taken) == (progress.tasks, 9)
    placed = {place.cell: place for place in places_of(stores, survey)}
    assert {place.status for place in placed.values()} == {PlacementStatus.ANCHORED}
    compared = compare(shots_of(stores, survey), survey, placed, Turn())
    assert (compared.wrong, compared.unconfirmed) == (0, 0)
    assert trust.mostly_anchored(stores, survey).holds
    assert trust.positions_hold(stores, survey).holds
