"""The games that are surveyed while things are killed, and their maps when nothing is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.surveying import run_survey
from bench.wholeness import Shown, shown_by
from imageflow_clients.database.core.connecting import embedded_server
from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_surveys import states

_ALL_S = 16.0
"""How long the screenshots of a city take, one after another: time for all kills, on a survey of any size."""

_CITY = """\
title: A city of {side} x {side} areas whose cars stand still
driver:
  name: city
  parameters: {{seed: 7, view: [320, 256], drift_px: 8, paused: true, pace_s: {pace_s:.3f}}}
grid: {{rows: {side}, cols: {side}}}
encoding: {{lossless_method: 0}}
"""
_LIVE = """\
title: A live game of {side} x {side} areas
driver: {{name: openttd, parameters: {{seed: 11, map_size: {map_side}, view: [640, 480], step: [448, 320]}}}}
grid: {{rows: {side}, cols: {side}}}
encoding: {{lossless_method: 0}}
"""
_CITY_OPTIONS = (
    *("--driver", "city", "--seed", "7", "--set", "view=[320,256]", "--set", "drift_px=8", "--set", "paused=true"),
    *("--lossless-method", "0"),
)
_LIVE_OPTIONS = ("--driver", "openttd", "--seed", "11", "--lossless-method", "0")

CITIES = ("large_blocks", "small_blocks")
"""Names of one city: another block size gives the same bytes, and whether screenshots stay has no part in them."""

LIVE = "live"


@dataclass(frozen=True, kw_only=True)
class FaultGames:
    """The games in one size."""

    side: int
    """Areas on a side of each; more than `SMALL_SURVEY` in all, and steps are processes that can be struck as well."""
    map_side: int
    """Of the live game, in tiles; the areas must fit."""

    @property
    def files(self) -> Mapping[str, str]:
        """Game files by name."""
        city = _CITY.format(side=self.side, pace_s=_ALL_S / self.side**2)
        live = _LIVE.format(side=self.side, map_side=self.map_side)
        return {"large_blocks": city, "small_blocks": f"{city}block_side: 5\nkeep: keep\n", LIVE: live}

    def undisturbed_city(self, home: Path) -> Shown:
        """Survey the city in a home of its own, and return what it shows."""
        return _undisturbed(home, (*_CITY_OPTIONS, *self._grid), exact=True)

    def undisturbed_live(self, home: Path) -> Shown:
        """Survey the live game in a home of its own, and return what it shows."""
        live = ("--set", f"map_size={self.map_side}", "--set", "view=[640,480]", "--set", "step=[448,320]")
        return _undisturbed(home, (*_LIVE_OPTIONS, *live, *self._grid), exact=False)

    @property
    def _grid(self) -> Sequence[str]:
        return ("--grid", f"{self.side}x{self.side}")


def _undisturbed(home: Path, options: Sequence[str], *, exact: bool) -> Shown:
    """Survey a game by command line.

    Args:
        exact: Whether it draws the same pixels whenever it is started.
    """
    survey = run_survey(home, ("--game", "reference", "--save", "undisturbed", *options)).survey
    settings = Settings(home=home)
    stores = open_stores(settings)
    try:
        return shown_by(stores, states.read(stores, survey), exact=exact)
    finally:
        stores.database.close()
        server = embedded_server(settings)
        if server is not None:
            server.stop()
