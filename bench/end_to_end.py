"""A 20 x 20 survey of the running city by command line, from nothing to its map: each stage's cost, and the truth."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.figures import Figure, Result
from bench.steps import StepTime, covered_s, steps_of, windows_of
from bench.surveying import Watched, run_survey
from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_clients.database.maps import placements, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.survey import Layer, Survey
from imageflow_surveys import states

_SIDE = 20
_CITY = ("--driver", "city", "--game", "city", "--save", "bench", "--grid", f"{_SIDE}x{_SIDE}", "--seed", "7")


def run() -> Result:
    """Return wall and processor time of every stage, what was made, and how much of it is true."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        watched = run_survey(home, _CITY)
        steps = steps_of(home, watched.survey)
        stores = open_stores(Settings(home=home))
        survey = states.read(stores, watched.survey)
        figures = (*_spent(watched, steps), *_made(stores, survey), *_truth(stores, survey))
        stores.database.close()
    return Result(figures=figures)


def _spent(watched: Watched, steps: tuple[StepTime, ...]) -> list[Figure]:
    name = f"{_SIDE}x{_SIDE} city"
    times, used = np.array(watched.cpu_s).T
    used = np.maximum.accumulate(used)  # a process that ends apart from the others takes its count along
    figures = [
        Figure(name=f"{name}: wall", value=watched.wall_s, unit="s"),
        Figure(name=f"{name}: CPU", value=float(used[-1]), unit="s"),
        Figure(name=f"{name}: shots a second, all in all", value=_SIDE**2 / watched.wall_s),
    ]
    for layer in Layer:
        mine = [step for step in steps if step.layer is layer]
        wall_s = covered_s(mine)
        cpu_s = sum(float(np.diff(np.interp(window, times, used))[0]) for window in windows_of(mine))
        figures += [
            Figure(name=f"{layer}: wall", value=wall_s, unit="s"),
            Figure(name=f"{layer}: CPU", value=cpu_s, unit="s"),
        ]
    idle_s = watched.wall_s - covered_s(steps)
    return [*figures, Figure(name="no asset body runs: wall", value=idle_s, unit="s")]


def _made(stores: Stores, survey: Survey) -> list[Figure]:
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, survey.id, survey.published().revision)
        count, size_bytes = tiles.totals(connection, layer)
        by_zoom = Counter(tile.id.z for tile in tiles.every(connection, survey.id, layer.revision))
    return [
        Figure(name="tiles", value=count),
        Figure(name="of them native", value=by_zoom[survey.published().frame.native_zoom]),
        Figure(name="tiles, together", value=size_bytes / 1e6, unit="MB"),
    ]


def _truth(stores: Stores, survey: Survey) -> list[Figure]:
    """Compare with where the city says that each picture was taken, after the one shift that most of them share."""
    driver = CityDriver(CityParameters.model_validate(survey.spec.driver.parameters))
    driver.areas(survey.grid)
    with stores.database.begin() as connection:
        areas = {area.cell: area for area in rows.areas(connection, survey.id)}
        places = placements.placements(connection, survey.id)
    off = {}
    for place in places:
        truth = driver.truth(areas[place.cell])
        off[place] = (place.x_px - round(truth.x_px), place.y_px - round(truth.y_px))
    common, _ = Counter(off.values()).most_common(1)[0]
    return _exact({place: error == common for place, error in off.items()})


def _exact(exact: Mapping[Placement, bool]) -> list[Figure]:
    anchored = [right for place, right in exact.items() if place.status is PlacementStatus.ANCHORED]
    return [
        Figure(name="anchored shots", value=len(anchored)),
        Figure(name="of them exact", value=100 * sum(anchored) / len(anchored), unit="%", at_least=100.0),
        Figure(name="other shots", value=len(exact) - len(anchored)),
        Figure(name="other shots that are exact", value=sum(exact.values()) - sum(anchored)),
    ]
