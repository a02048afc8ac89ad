"""Two block runs at once, against one after the other: registering and cutting, each run a process of its own."""

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.figures import Figure, Result
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.grid import Block, Grid
from imageflow_domain.survey import Carrier, DriverSpec, SurveySpec
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, cut_blocks, register_blocks
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey

_SPAWN = multiprocessing.get_context("spawn")
TARGET = 0.65
_SIDE = 6
_STAGES = ("register", "cut")


def run() -> Result:
    """Return the ratio for both stages. Each way has stores of its own, so that neither finds the other's tiles."""
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2, mp_context=_SPAWN) as pool:
        in_turn, at_once = Path(folder) / "in_turn", Path(folder) / "at_once"
        planned = {home: _two_planned(open_stores(Settings(home=home))) for home in (in_turn, at_once)}
        list(pool.map(_work, [in_turn, at_once] * 2, planned[in_turn] * 2, ["warm"] * 4))
        figures = []
        for stage in _STAGES:
            begin = time.perf_counter()
            for survey in planned[in_turn]:
                pool.submit(_work, in_turn, survey, stage).result()
            middle = time.perf_counter()
            list(pool.map(_work, [at_once] * 2, planned[at_once], [stage] * 2))
            ratio = (time.perf_counter() - middle) / (middle - begin)
            figures.append(Figure(name=f"{stage}: two at once / in turn", value=ratio, at_most=TARGET))
    return Result(figures=tuple(figures))


def _two_planned(stores: Stores) -> list[str]:
    """Return two captured surveys of different cities, one block each."""
    return [_captured(stores, save, seed) for save, seed in (("first", 1), ("second", 2))]


def _captured(stores: Stores, save: str, seed: int) -> str:
    spec = SurveySpec(
        game="bench",
        save=save,
        driver=DriverSpec(name="city", parameters={"seed": seed}),
        grid=Grid(rows=_SIDE, cols=_SIDE),
    )
    survey = plan_survey(stores, spec, Carrier.COMMAND_LINE)
    capture_blocks(stores, survey, survey.blocks())
    return survey.id


def _work(home: Path, survey_id: str, stage: str) -> None:
    """Do one block run of a stage; 'warm' only opens what it needs."""
    stores = open_stores(Settings(home=home))
    if stage == "warm":
        return
    survey = states.read(stores, survey_id)
    block = (Block(row=0, col=0),)
    if stage == "register":
        register_blocks(stores, survey, block)
        place_survey(stores, survey)
    else:
        cut_blocks(stores, survey, block)
