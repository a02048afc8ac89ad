"""Small simulated cities, and their surveys from the plan to the cleanup. Truth is the city itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from game_capture.city.view import render
from game_capture.city.world import World
from game_capture.drivers.city import CityDriver, CityParameters
from imageflow_clients.database.maps import layers, placements, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.geometry import Offset, Rect, Size
from imageflow_domain.grid import Block, Cell
from imageflow_domain.grid_text import parse_grid
from imageflow_domain.placement import Placement, PlacementStatus
from imageflow_domain.survey import Carrier, DriverSpec, Encoding, Keep, Layer, Survey, SurveySpec, SurveyState
from imageflow_domain.tiles import TileId
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, cut_blocks, register_blocks
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.next_step import next_step
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import Placed, place_survey
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.reopen import reopen


def city(
    save: str,
    *,
    grid: str = "3x3",
    block_side: int = 10,
    keep: Keep | None = Keep.KEEP,
    **parameters: object,
) -> SurveySpec:
    """Ask for a small paused city without water."""
    return SurveySpec(
        game="city",
        save=save,
        driver=DriverSpec(
            name="city",
            parameters={"view": [320, 256], "drift_px": 8, "paused": True, "water": 0.0, **parameters},
        ),
        grid=parse_grid(grid),
        block_side=block_side,
        keep=keep,
        encoding=Encoding(lossless_method=0),
    )


def survey_of(grid: str, *, block_side: int = 10) -> Survey:
    """Return a planned survey as a value, which no database has."""
    spec = city("s", grid=grid, block_side=block_side)
    return Survey(
        id="city-s-0001",
        spec=spec,
        state=SurveyState.PLANNED,
        carrier=Carrier.SENSOR,
        reason=None,
        grid=parse_grid(grid),
        view=Size(width_px=320, height_px=256),
        reach_px=8,
        keep=Keep.KEEP,
        mosaic=None,
        published_revision=None,
        created_at=datetime.now(UTC),
        finished_at=None,
    )


def planned(stores: Stores, spec: SurveySpec, carrier: Carrier = Carrier.COMMAND_LINE) -> Survey:
    return plan_survey(stores, spec, carrier)


def captured(stores: Stores, spec: SurveySpec) -> Survey:
    survey = planned(stores, spec)
    capture_blocks(stores, survey, survey.blocks())
    return states.read(stores, survey.id)


def registered(stores: Stores, spec: SurveySpec) -> Survey:
    survey = captured(stores, spec)
    register_blocks(stores, survey, survey.blocks())
    return survey


def placed(stores: Stores, spec: SurveySpec) -> tuple[Survey, Placed]:
    survey = registered(stores, spec)
    result = place_survey(stores, survey)
    return states.read(stores, survey.id), result


def cut(stores: Stores, spec: SurveySpec) -> Survey:
    survey, _ = placed(stores, spec)
    cut_blocks(stores, survey, survey.blocks())
    return survey


def published(stores: Stores, spec: SurveySpec) -> Survey:
    survey = cut(stores, spec)
    make_overviews(stores, survey)
    return states.read(stores, survey.id)


def reopened(stores: Stores, survey: Survey, layer: Layer, blocks: Iterable[Block] | None = None) -> Survey:
    """Ask for a layer's blocks anew, all of them by default, as a run that makes them again does."""
    with stores.database.begin() as connection:
        rows.get(connection, survey.id, lock=True)
        reopen(connection, survey, layer, survey.blocks() if blocks is None else tuple(blocks))
    return states.read(stores, survey.id)


def carried(stores: Stores, survey: Survey) -> Survey:
    """Bring a survey by its next steps to its end, whatever it has already."""
    for _ in range(len(Layer) + 1):
        with stores.database.begin() as connection:
            step = next_step(layers.progress(connection, survey.id))
        survey = states.read(stores, survey.id)
        if step is None:
            return survey
        match step.layer:
            case Layer.SCREENSHOTS:
                capture_blocks(stores, survey, step.blocks)
            case Layer.PAIR_OFFSETS:
                register_blocks(stores, survey, step.blocks)
            case Layer.COORDINATES:
                place_survey(stores, survey)
            case Layer.TILES:
                cut_blocks(stores, survey, step.blocks)
            case Layer.OVERVIEWS:
                make_overviews(stores, survey)
            case Layer.CLEANUP:
                clean_up(stores, survey)
    raise AssertionError(f"{survey.id} does not come to an end")


def driver_of_city(spec: SurveySpec) -> CityDriver:
    """Return the city of a survey, laid out for its grid and not yet entered."""
    driver = CityDriver(CityParameters.model_validate(spec.driver.parameters))
    driver.areas(spec.grid)
    return driver


def errors_of(stores: Stores, survey: Survey, placements_: tuple[Placement, ...]) -> Mapping[Cell, Offset]:
    """Return how far each screenshot lies from the city's truth, after the one shift that most of them share."""
    driver = driver_of_city(survey.spec)
    with stores.database.begin() as connection:
        areas = {area.cell: area for area in rows.areas(connection, survey.id)}
    off = {}
    for place in placements_:
        truth = driver.truth(areas[place.cell])
        off[place.cell] = Offset(dx_px=place.x_px - round(truth.x_px), dy_px=place.y_px - round(truth.y_px))
    every = list(off.values())
    common = max(set(every), key=every.count)
    return {cell: offset - common for cell, offset in off.items()}


def places_of(stores: Stores, survey: Survey) -> tuple[Placement, ...]:
    with stores.database.begin() as connection:
        return placements.placements(connection, survey.id)


def count_anchored(places: tuple[Placement, ...]) -> int:
    return sum(place.status is PlacementStatus.ANCHORED for place in places)


def digests(stores: Stores, survey: Survey) -> Mapping[TileId, str]:
    """Return the digest of each tile of a survey's current revision."""
    revision = states.read(stores, survey.id).placed().revision
    with stores.database.begin() as connection:
        return {tile.id: tile.digest for tile in tiles.every(connection, survey.id, revision)}


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the city itself shows in a survey's frame."""

    survey: Survey
    shift: Offset
    """From the world to the frame."""

    def picture(self, region: Rect) -> NDArray[np.uint8]:
        """Return a region of the frame, as the city draws it: RGB."""
        parameters = CityParameters.model_validate(self.survey.spec.driver.parameters)
        world = World(
            seed=parameters.seed,
            water_share=parameters.water,
            year=parameters.year,
            change_share=parameters.changes,
            changes_within=parameters.neighbourhood,
        )
        return render(world, region.shifted(-self.shift), tick=0, salt=parameters.seed)


def truth_of(stores: Stores, survey: Survey) -> Truth:
    """Return the truth of a placed survey, laid under its first anchored screenshot."""
    first = next(p for p in places_of(stores, survey) if p.status is PlacementStatus.ANCHORED)
    with stores.database.begin() as connection:
        area = next(a for a in rows.areas(connection, survey.id) if a.cell == first.cell)
    where = driver_of_city(survey.spec).truth(area)
    return Truth(
        survey=survey,
        shift=Offset(dx_px=first.x_px - round(where.x_px), dy_px=first.y_px - round(where.y_px)),
    )
