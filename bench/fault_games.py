"""The games that are surveyed while things are killed, and their maps when nothing is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.surveying import run_survey
from bench.wholeness import Shown, shown_by
from imageflow_clients.database.connecting import embedded_server
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_surveys import states

_CITY = """\
title: A city of 20 x 20 areas whose cars stand still
driver:
  name: city
  parameters: {seed: 7, view: [320, 256], drift_px: 8, paused: true, pace_s: 0.04}
grid: {rows: 20, cols: 20}
encoding: {lossless_method: 0}
"""


@dataclass(frozen=True, kw_only=True)
class FaultGame:
    """A game, by its game file, and the options by which the command line surveys the same."""

    file: str
    options: Sequence[str]
    exact: bool = True
    """Whether it draws the same pixels whenever it is started."""


_CITY_OPTIONS = (
    *("--driver", "city", "--seed", "7", "--set", "view=[320,256]", "--set", "drift_px=8", "--set", "paused=true"),
    *("--grid", "20x20", "--lossless-method", "0"),
)
# Another block size gives the same bytes, and whether screenshots stay has no part in them.
LARGE_BLOCKS = FaultGame(file=_CITY, options=_CITY_OPTIONS)
SMALL_BLOCKS = FaultGame(file=f"{_CITY}block_side: 5\nkeep: keep\n", options=_CITY_OPTIONS)
LIVE = FaultGame(
    file="""\
title: A live game of 20 x 20 areas
driver: {name: openttd, parameters: {seed: 11, map_size: 512, view: [640, 480], step: [448, 320]}}
grid: {rows: 20, cols: 20}
encoding: {lossless_method: 0}
""",
    options=(
        *("--driver", "openttd", "--seed", "11", "--set", "map_size=512"),
        *("--set", "view=[640,480]", "--set", "step=[448,320]", "--grid", "20x20", "--lossless-method", "0"),
    ),
    exact=False,
)
CITIES = {"large_blocks": LARGE_BLOCKS, "small_blocks": SMALL_BLOCKS}
FILES = {**{name: game.file for name, game in CITIES.items()}, "live": LIVE.file}
"""Game files by name."""


def undisturbed(home: Path, game: FaultGame) -> Shown:
    """Survey a game by command line in a home of its own, and return what it shows."""
    survey = run_survey(home, ("--game", "reference", "--save", "undisturbed", *game.options)).survey
    settings = Settings(home=home)
    stores = open_stores(settings)
    try:
        return shown_by(stores, states.read(stores, survey), exact=game.exact)
    finally:
        stores.database.close()
        server = embedded_server(settings)
        if server is not None:
            server.stop()
