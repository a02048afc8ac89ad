"""A second survey of a save in which little has changed, against the first: processor time, tiles and rows."""

import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import cv2
from sqlalchemy import func, select

from bench.figures import Figure, Result, spending
from imageflow_clients.database.maps import screenshots, tile_schema, tiles
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.grid import Grid
from imageflow_domain.survey import Carrier, DriverSpec, Encoding, Survey, SurveySpec
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, cut_blocks, register_blocks
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.reencode import ask_to_reencode
from imageflow_surveys.remove import remove_survey
from imageflow_surveys.sweep import sweep

GRID = Grid(rows=30, cols=30)
TARGET_CPU, TARGET_ROWS, TARGET_DRIFT = 0.03, 0.02, 0.05
_NEIGHBOURHOOD = (11 * 640, 11 * 640, 1920, 1280)
"""Six districts in the middle: about nine of the nine hundred areas see some of them."""

_CHANGED = {"year": 1, "changes": 1.0, "changes_within": _NEIGHBOURHOOD}


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What tiles and overviews of one survey took."""

    cpu_s: float
    tiles: int
    composed: int
    encoded: int
    objects: int
    """Tile objects that were not there before."""
    rows: int
    """Of the survey's own layer."""
    changed_areas: float
    """Share of the areas whose screenshots are not those of the first survey."""


def run() -> Result:
    """Return the ratios for one changed neighbourhood, seen by the same or a drifting camera, and for worse cases."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # several threads spin while they wait, which would count as work
    try:
        with tempfile.TemporaryDirectory() as folder:
            return Result(figures=tuple(_figures(open_stores(Settings(home=Path(folder))))))
    finally:
        cv2.setNumThreads(threads)


def _figures(stores: Stores) -> list[Figure]:
    first_survey, first = _survey(stores, None)
    same, drifting, scattered, moving = (
        _later(stores, first_survey, **parameters)
        for parameters in (
            _CHANGED,
            {**_CHANGED, "drift_seed": 2},
            {"year": 1, "changes": 0.01},
            {"paused": False},
        )
    )
    asked = ask_to_reencode(stores, first_survey.id, Encoding(lossless_method=0, lossy_quality=70))
    again = _make(stores, asked, 0.0)
    tiles_and_rows = (same.objects + same.rows) / (first.objects + first.rows)
    return [
        Figure(name="first survey: composing and encoding, CPU", value=first.cpu_s, unit="s"),
        Figure(name="first survey: tiles", value=first.tiles),
        Figure(name="one neighbourhood: areas changed", value=100 * same.changed_areas, unit="%"),
        Figure(name="one neighbourhood: CPU / first", value=same.cpu_s / first.cpu_s, at_most=TARGET_CPU),
        Figure(name="one neighbourhood: tile objects and rows / first", value=tiles_and_rows, at_most=TARGET_ROWS),
        Figure(name="one neighbourhood: native tiles composed / first", value=same.composed / first.composed),
        Figure(
            name="... drifting camera: tiles encoded / first",
            value=drifting.encoded / first.encoded,
            at_most=TARGET_DRIFT,
        ),
        Figure(name="... drifting camera: CPU / first", value=drifting.cpu_s / first.cpu_s),
        Figure(name="... drifting camera: rows / first", value=drifting.rows / first.rows),
        Figure(name="1 % of districts, scattered: areas changed", value=100 * scattered.changed_areas, unit="%"),
        Figure(name="1 % of districts, scattered: CPU / first", value=scattered.cpu_s / first.cpu_s),
        Figure(name="1 % of districts, scattered: tiles encoded / first", value=scattered.encoded / first.encoded),
        Figure(name="moving sprites: tiles encoded / first", value=moving.encoded / first.encoded),
        Figure(name="moving sprites: CPU / first", value=moving.cpu_s / first.cpu_s),
        Figure(name="another encoder: tiles encoded / first", value=again.encoded / first.encoded, at_least=0.99),
    ]


def _later(stores: Stores, first: Survey, **parameters: object) -> _Made:
    """Survey the city again and delete that survey with all that only it has: the next case begins from the first."""
    survey, made = _survey(stores, first, **parameters)
    remove_survey(stores, survey)
    for _ in range(2):
        sweep(stores, grace=timedelta(0), unfinished=timedelta(0))
    return made


def _survey(stores: Stores, first: Survey | None, **parameters: object) -> tuple[Survey, _Made]:
    """Survey the city from the plan to the map."""
    driver = DriverSpec(
        name="city", parameters={"seed": 7, "paused": True, "water": 0.0, "overlap_px": (160, 128), **parameters}
    )
    spec = SurveySpec(game="city", save="incremental", driver=driver, grid=GRID)
    survey = plan_survey(stores, spec, Carrier.COMMAND_LINE)
    capture_blocks(stores, survey, survey.blocks())
    register_blocks(stores, survey, survey.blocks())
    place_survey(stores, survey)
    survey = states.read(stores, survey.id)
    return survey, _make(stores, survey, 1.0 if first is None else _changed(stores, first, survey))


def _make(stores: Stores, survey: Survey, changed_areas: float) -> _Made:
    before = _objects(stores)
    with spending() as spent:
        cut = cut_blocks(stores, survey, survey.blocks())
        make_overviews(stores, survey)
    objects = _objects(stores) - before
    with stores.database.begin() as connection:
        layer = tiles.layer_of(connection, survey.id, survey.placed().revision)
        table = tile_schema.tiles
        rows = connection.execute(
            select(func.count()).select_from(table).where(table.c.layer_id == layer.id)
        ).scalar_one()
        count, _ = tiles.totals(connection, layer)
    return _Made(
        cpu_s=spent.cpu_s,
        tiles=count,
        composed=cut.composed,
        encoded=cut.encoded,
        objects=objects,
        rows=rows,
        changed_areas=changed_areas,
    )


def _changed(stores: Stores, first: Survey, survey: Survey) -> float:
    with stores.database.begin() as connection:
        theirs, ours = (screenshots.stored(connection, one.id) for one in (first, survey))
    return sum(theirs[cell].digest != ours[cell].digest for cell in ours) / len(ours)


def _objects(stores: Stores) -> int:
    with stores.database.begin() as connection:
        return connection.execute(select(func.count()).select_from(tile_schema.tile_objects)).scalar_one()
