"""One survey of a real game under chosen circumstances, and its result."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.game_positions import compare, equal_shares
from bench.lossy_xdotool import install
from bench.variables import environment_of
from game_capture.staging import Staging
from imageflow_clients.database.maps import placements, sightings, tiles
from imageflow_clients.stores import Stores
from imageflow_domain.capture import AreaState
from imageflow_domain.grid import Block, Grid
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import Carrier, Keep, Survey, SurveySpec
from imageflow_mosaic.encoding import encode_png
from imageflow_surveys import states, trust
from imageflow_surveys.blocks import capture_blocks, cut_blocks, register_blocks
from imageflow_surveys.image import read_region
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.shots import shots_of

GAMES_AT_ONCE = 3

_LOAD = "while True: pass"
_SLOW_START_S = 300
"""How long a slow game's start may take, and each step of it, as docs/resources.md advises for slow machines."""

_LOOKS = (
    trust.loops_close,
    trust.shots_placed,
    trust.decisive_offsets_kept,
    trust.mostly_anchored,
    trust.one_group,
    trust.positions_hold,
    trust.tiles_whole,
)


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a survey has to cope with."""

    settings: Mapping[str, Any]
    """Parameters of the driver instead of the recipe's own."""
    grid: Grid
    is_slow: bool = False
    """The game at niceness 19 beside a load on every core."""
    dropped: Sequence[str] = ()
    """Commands of xdotool that scroll: one in ten is dropped."""
    games: int = 1
    """How many take screenshots at once."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a survey."""

    planned: int
    taken: int
    outside: int
    holes: int
    anchored: int
    wrong: int
    """Anchored screenshots that do not lie where the arrangement has most of their group."""
    unconfirmed: int
    """Anchored screenshots that the arrangement does not place."""
    overlaps: int
    """Pairs of anchored screenshots that overlap."""
    least_equal: float
    """Of the worst of them, the share of pixels that are equal, 0 to 1."""
    turn_px: float | None
    """After so far to the right the world begins again, as far as it was seen."""
    unsettled: int
    seconds_per_screenshot: float
    """The games' starts included."""
    failed_checks: tuple[str, ...]
    positions: Mapping[str, tuple[int, int]]
    """Of anchored screenshots, in pixels of the map's frame."""
    tiles: str
    """Digest of all tiles."""


def survey_game(stores: Stores, spec: SurveySpec, circumstances: Circumstances, picture: Path) -> Outcome:
    """Survey a game from its start to the map, and judge the map.

    Args:
        spec: As the recipe asks for it.
        picture: Where the map is written, as PNG.
    """
    survey = plan_survey(stores, _asked(spec, circumstances), Carrier.OPERATOR)
    began = time.monotonic()
    with _circumstances(stores.scratch, circumstances):
        unsettled = _capture(stores, survey, circumstances)
    seconds = time.monotonic() - began
    register_blocks(stores, survey, survey.blocks())
    place_survey(stores, survey)
    survey = states.read(stores, survey.id)
    cut_blocks(stores, survey, survey.blocks())
    make_overviews(stores, survey)
    survey = states.read(stores, survey.id)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(encode_png(read_region(stores, survey, survey.published().bounds).rgb))
    return _judged(stores, survey, unsettled=unsettled, seconds=seconds)


def _asked(spec: SurveySpec, circumstances: Circumstances) -> SurveySpec:
    parameters = {**spec.driver.parameters, **circumstances.settings}
    if circumstances.is_slow:
        parameters["command"] = ["nice", "-n", "19", *parameters["command"]]
    return spec.model_copy(
        update={
            "driver": spec.driver.model_copy(update={"parameters": parameters}),
            "grid": circumstances.grid,
            "block_side": 10 if circumstances.games == 1 else 2,
            "keep": Keep.KEEP,
        }
    )


@contextmanager
def _circumstances(folder: Path, circumstances: Circumstances) -> Iterator[None]:
    with ExitStack() as undo:
        if circumstances.dropped:
            wrapper = folder / "lossy"
            wrapper.mkdir(parents=True, exist_ok=True)
            undo.enter_context(environment_of(install(wrapper, circumstances.dropped)))
        if circumstances.is_slow:
            for _ in range(os.cpu_count() or 1):
                load = subprocess.Popen(["nice", "-n", "5", sys.executable, "-c", _LOAD])
                undo.callback(load.wait)
                undo.callback(load.kill)
        yield


def _capture(stores: Stores, survey: Survey, circumstances: Circumstances) -> int:
    """Take all screenshots, the blocks dealt out to games at once; return how many did not settle."""
    blocks, games = survey.blocks(), circumstances.games
    staging = Staging(scratch=stores.scratch, start_timeout_s=_SLOW_START_S if circumstances.is_slow else None)
    hands: list[tuple[Block, ...]] = [tuple(blocks[number::games]) for number in range(min(games, len(blocks)))]
    with ThreadPoolExecutor(len(hands)) as threads:
        return sum(
            done.unsettled
            for done in threads.map(lambda own: capture_blocks(stores, survey, own, staging=staging), hands)
        )


def _judged(stores: Stores, survey: Survey, *, unsettled: int, seconds: float) -> Outcome:
    shots = shots_of(stores, survey)
    with stores.database.begin() as connection:
        states_ = [one.state for one in sightings.of_survey(connection, survey.id).values()]
        turn = sightings.turn(connection, survey.id)
        places = placements.placements(connection, survey.id)
        every = sorted(tiles.every(connection, survey.id, survey.placed().revision), key=lambda tile: tile.id)
    anchored = {place.cell: place for place in places if place.status is PlacementStatus.ANCHORED}
    compared = compare(shots, survey, anchored, turn)
    equal = equal_shares(shots, survey, anchored)
    return Outcome(
        planned=survey.grid.rows * survey.grid.cols,
        taken=len(shots.stored),
        outside=states_.count(AreaState.OUTSIDE),
        holes=states_.count(AreaState.HOLE),
        anchored=len(anchored),
        wrong=compared.wrong,
        unconfirmed=compared.unconfirmed,
        overlaps=len(equal),
        least_equal=round(min(equal, default=1.0), 4),
        turn_px=turn.x_px,
        unsettled=unsettled,
        seconds_per_screenshot=round(seconds / max(1, len(shots.stored)), 2),
        failed_checks=tuple(look.__name__ for look in _LOOKS if not look(stores, survey).holds),
        positions={str(cell): (place.x_px, place.y_px) for cell, place in sorted(anchored.items())},
        tiles=hashlib.blake2b(
            "".join(f"{tile.id} {tile.digest}\n" for tile in every).encode(), digest_size=16
        ).hexdigest(),
    )
