"""Recapture: how many ambiguous shots of simulated cities with much water become exact by shots half a step aside."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure, Result, spending
from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_clients.database.maps import placements
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.survey import Carrier, DriverSpec, Keep, Survey, SurveySpec
from imageflow_mosaic.fingerprint import fingerprint
from imageflow_mosaic.sketch import sketch
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, register_blocks
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.recapture import plan_recapture
from imageflow_surveys.shots import shots_of

GRID = Grid(rows=8, cols=8)
CITIES = ((2, 0.85, 12), (4, 0.85, 12), (1, 0.6, 24))
"""Seed, share of water, and drift in px: so many pixels that the waves repeat within reach."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One city, surveyed and taken again."""

    unsure: int
    distinctive: int
    """Of the unsure shots, those that show anything but waves: the others cannot be placed by their pixels."""
    exact_before: int
    """Of the unsure shots, those that lay exactly all the same."""
    exact: int
    anchored: int
    wrong: int
    """Shots of the second survey that are anchored and do not lie where the city says."""
    bridging: int
    same_frame: bool


def run() -> Result:
    """Survey paused cities, take each one again, and hold both against the city's truth."""
    with tempfile.TemporaryDirectory() as home:
        stores = open_stores(Settings(home=Path(home)))
        try:
            with spending() as spent:
                every = [recaptured(stores, *city) for city in CITIES]
        finally:
            stores.database.close()
            EmbeddedPostgres(Path(home) / "postgres").stop()
    shots = len(every) * GRID.rows * GRID.cols
    figures = [
        Figure(name="wrong among anchored shots, before and after", value=_sum(every, "wrong"), at_most=0),
        Figure(
            name="surveys that joined the frame",
            value=sum(outcome.same_frame for outcome in every),
            at_least=len(every),
        ),
        Figure(name=f"ambiguous among {shots} shots before", value=_sum(every, "unsure")),
        Figure(name="of them showing anything but waves", value=_sum(every, "distinctive")),
        Figure(name="of them exact all the same", value=_sum(every, "exact_before")),
        Figure(name="of them anchored after", value=_sum(every, "anchored")),
        Figure(name="of them exact after", value=_sum(every, "exact")),
        Figure(name="bridging shots", value=_sum(every, "bridging")),
        Figure(name="CPU, all of it", value=spent.cpu_s, unit="s"),
    ]
    for (_, water, drift_px), outcome in zip(CITIES, every, strict=True):
        figures.append(
            Figure(
                name=f"anchored after, of {outcome.unsure} ambiguous shots, {water:.0%} water, drift {drift_px} px",
                value=outcome.anchored,
            )
        )
    return Result(figures=tuple(figures))


def recaptured(stores: Stores, seed: int, water: float, drift_px: int) -> Outcome:
    """Survey one city and take it again."""
    spec = SurveySpec(
        game="city",
        save=f"w{round(100 * water)}_{seed}",
        driver=DriverSpec(
            name="city",
            parameters={"seed": seed, "drift_px": drift_px, "view": [480, 384], "water": water, "paused": True},
        ),
        grid=GRID,
        keep=Keep.KEEP,
    )
    first = plan_survey(stores, spec, Carrier.OPERATOR)
    before = _places(stores, first)
    errors = _errors(stores, first, before)
    again = plan_recapture(stores, first.id, Carrier.OPERATOR)
    after = _places(stores, again.survey)
    errors_after = _errors(stores, again.survey, after)
    unsure = {place.cell for place in before.values() if place.status is not PlacementStatus.ANCHORED}
    sure = {cell for cell, place in after.items() if place.status is PlacementStatus.ANCHORED}
    shots = shots_of(stores, first)
    frames = {states.read(stores, survey.id).placed().frame for survey in (first, again.survey)}
    return Outcome(
        unsure=len(unsure),
        distinctive=sum(sketch(fingerprint(shots.load(cell))).hashes.size > 0 for cell in unsure),
        exact_before=sum(not errors[cell] for cell in unsure),
        exact=sum(not errors_after[cell] for cell in again.unsure),
        anchored=len(again.unsure & sure),
        wrong=sum(errors_after[cell] for cell in sure) + sum(errors[cell] for cell in before.keys() - unsure),
        bridging=again.bridging,
        same_frame=len(frames) == 1,
    )


def _places(stores: Stores, survey: Survey) -> dict[Cell, Placement]:
    """Take and place a survey's shots."""
    capture_blocks(stores, survey, survey.blocks())
    register_blocks(stores, survey, survey.blocks())
    place_survey(stores, survey)
    with stores.database.begin() as connection:
        return {place.cell: place for place in placements.placements(connection, survey.id)}


def _errors(stores: Stores, survey: Survey, places: Mapping[Cell, Placement]) -> dict[Cell, bool]:
    """Return of each shot whether it differs from the city's truth, after the shift of most anchored ones."""
    driver = CityDriver(CityParameters.model_validate(survey.spec.driver.parameters))
    driver.areas(survey.spec.grid)
    with stores.database.begin() as connection:
        areas = {area.cell: area for area in rows.areas(connection, survey.id)}
    off = {}
    for cell, place in places.items():
        truth = driver.truth(areas[cell])
        off[cell] = Offset(dx_px=place.x_px - round(truth.x_px), dy_px=place.y_px - round(truth.y_px))
    sure = [off[cell] for cell, place in places.items() if place.status is PlacementStatus.ANCHORED]
    common = Counter(sure).most_common(1)[0][0]
    return {cell: offset != common for cell, offset in off.items()}


def _sum(outcomes: list[Outcome], name: str) -> int:
    return sum(getattr(outcome, name) for outcome in outcomes)
