"""The survey that benches lay into the stores is one that every reader takes for surveyed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from bench.large_map import lay
from game_capture.city.view import render
from game_capture.city.world import World
from imageflow_clients.database.maps import layers, tiles
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain.geometry import Rect
from imageflow_domain.grid import Grid
from imageflow_domain.survey import SurveyState
from imageflow_domain.tiles import tiles_touching
from imageflow_surveys.image import read_region


def test_a_laid_survey_is_whole_and_shows_the_city(tmp_path: Path, databases: Callable[[], SecretStr]) -> None:
    stores = open_stores(Settings(home=tmp_path, database_url=databases()))
    survey = lay(stores, "small", Grid(rows=3, cols=4))
    mosaic = survey.published()
    assert survey.state is SurveyState.COMPLETED
    with stores.database.begin() as connection:
        progress = layers.progress(connection, survey.id)
        layer = tiles.layer_of(connection, survey.id, mosaic.revision)
        made = {z: set(tiles.at_zoom(connection, layer, z)) for z in range(mosaic.frame.native_zoom + 1)}
    assert all(progress.done_blocks[done] == progress.blocks for done in progress.done_blocks)
    for z, found in made.items():
        assert found == set(tiles_touching(mosaic.bounds, z, mosaic.frame.native_zoom)), z
    x, y = mosaic.bounds.x_px + 900, mosaic.bounds.y_px + 700
    shown = read_region(stores, survey, Rect(x_px=x, y_px=y, width_px=300, height_px=200)).rgb
    world = World(seed=7, water_share=0.2, year=0, change_share=0.0)
    truth = render(world, Rect(x_px=0, y_px=0, width_px=8192, height_px=8192), tick=0, salt=7)
    rows, cols = (y + np.arange(200)) % 8192, (x + np.arange(300)) % 8192
    assert np.array_equal(shown, truth[np.ix_(rows, cols)])
    stores.database.close()
