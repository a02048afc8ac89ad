"""`make games`: the recipes under `games/` on their real games, and what comes of them when things go wrong.

IMAGEFLOW_BENCH_GAMES ("simutrans,widelands") and IMAGEFLOW_BENCH_CASES ("middle,edge") say which; the results of
others are kept in `results/games.json`. The maps are written as PNG under `build/games`, to be looked at.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.__main__ import RESULTS, hardware
from bench.game_survey import GAMES_AT_ONCE, Circumstances, Outcome, survey_game
from imageflow_clients.embedded_postgres import EmbeddedPostgres
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.errors import ImageFlowError
from imageflow_domain.grid import Grid
from imageflow_surveys.games import JobRequest, survey_spec

_ROOT = Path(__file__).parent.parent
_RECIPES, _MAPS = _ROOT / "games", _ROOT / "build" / "games"
_FILE = RESULTS / "games.json"


@dataclass(frozen=True, kw_only=True)
class Game:
    """One recipe."""

    presses: Sequence[str]
    """xdotool's commands that scroll."""
    edge: Mapping[str, Any] | None = None
    """Parameters with which the survey crosses the world's edge; `None` for a world that has none, as it wraps."""
    turn: Mapping[str, Any] | None = None
    """Parameters of a small world that wraps around to the right, which the survey goes around; `None` without one."""
    moves: bool = False
    """Whether the map itself moves, such as water: overlaps of its screenshots differ then."""


def _drag(begin: tuple[int, int], end: tuple[int, int]) -> dict[str, Any]:
    return {"drag": begin, "to": end, "button": 3, "pause_ms": 120}


def _press(key: str, count: int) -> dict[str, Any]:
    return {"key": key, "count": count, "pause_ms": 400}


_SERVER = "freeciv.serv"
_KEYS = tuple(f"key {key}" for key in ("Left", "Right", "Up", "Down"))
GAMES = {
    "simutrans": Game(
        presses=_KEYS,
        edge={
            "home": [
                {"key": "shift+j"},
                {"wait_until": {"changed": True, "still": True, "for_s": 0.2}},
                {"type": "20,115"},
                {"wait_until": {"changed": True, "still": True, "for_s": 0.2}},
                {"key": "Return"},
                {"wait_until": {"changed": True, "still": True}},
                {"key": "Escape"},
                {"wait_until": {"changed": True, "still": True, "for_s": 3, "timeout_s": 120}},
            ]
        },
    ),
    "freeciv": Game(
        presses=tuple(key.replace("key ", "key shift+") for key in _KEYS),
        edge={
            "home": [
                _press("shift+Right", 14),
                _press("shift+Down", 14),
                _press("shift+Left", 2),
                _press("shift+Up", 1),
            ]
        },
        turn={
            "before": [
                {
                    "run": [
                        "sed",
                        "-i",
                        's/xsize 180/xsize 84/;s/ysize 120/ysize 60/;s/topology ""/topology "WRAPX"/',
                        _SERVER,
                    ]
                }
            ],
            "home": [_press("shift+Up", 8), _press("shift+Down", 1)],
        },
    ),
    "widelands": Game(presses=tuple(key.replace("key ", "keydown ") for key in _KEYS), moves=True),
    "lincity": Game(
        presses=("mousedown 3",),
        edge={"home": [*[_drag((1140, 350), (140, 350))] * 5, *[_drag((640, 650), (640, 50))] * 5]},
    ),
}
CASES = ("middle", "edge", "turn", "dropped", "slow", "three")
LEAST_EQUAL = 0.99
"""Share of equal pixels from which an overlap agrees: a pointer or a clock may lie in one of its screenshots."""
_MIDDLE, _OTHERS = Grid(rows=4, cols=4), {"edge": Grid(rows=3, cols=4), "turn": Grid(rows=2, cols=9)}


def main() -> int:
    """Survey; return the exit status: 1 where a map is wrong, not whole or fails a check, or its overlaps differ."""
    games = _chosen("IMAGEFLOW_BENCH_GAMES", tuple(GAMES))
    cases = _chosen("IMAGEFLOW_BENCH_CASES", CASES)
    for game in games:
        for case in cases:
            if case in _OTHERS and getattr(GAMES[game], case) is None:
                continue
            began = time.monotonic()
            result = _survey(game, case)
            _record(game, case, {**result, "minutes": round((time.monotonic() - began) / 60, 1)})
            _show()
    recorded = _recorded()
    asked = [(GAMES[game], result) for game in games for case, result in recorded[game].items() if case in cases]
    return 0 if all(is_right(game, result) for game, result in asked) else 1


def circumstances(game: str, case: str) -> Circumstances:
    """Return what a case means for a game."""
    known = GAMES[game]
    return Circumstances(
        settings={"edge": known.edge, "turn": known.turn}.get(case) or {},
        grid=_OTHERS.get(case, _MIDDLE),
        is_slow=case == "slow",
        dropped=known.presses if case == "dropped" else (),
        games=GAMES_AT_ONCE if case == "three" else 1,
    )


def _chosen(variable: str, known: Sequence[str]) -> Sequence[str]:
    chosen = os.environ.get(variable, ",".join(known)).split(",")
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        sys.exit(f"{variable}: there is no {', '.join(unknown)}; there are {', '.join(known)}.")
    return chosen


def _survey(game: str, case: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="imageflow-games-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o711)  # a game may run as another account
        stores = open_stores(Settings(home=Path(home)))
        try:
            return asdict(_outcome(stores, game, case))
        except ImageFlowError as error:
            return {"failed": f"{type(error).__name__}: {error}"}
        finally:
            stores.database.close()
            EmbeddedPostgres(Path(home) / "postgres").stop()


def _outcome(stores: Stores, game: str, case: str) -> Outcome:
    spec = survey_spec(_RECIPES, JobRequest(game_id=game, save_data_id=case))
    return survey_game(stores, spec, circumstances(game, case), _MAPS / f"{game}-{case}.png")


def is_right(game: Game, result: Mapping[str, Any]) -> bool:
    """Whether no check fails, and every screenshot is anchored where the others confirm it and show the same."""
    if "failed" in result or result["failed_checks"]:
        return False
    is_whole = result["anchored"] == result["taken"] and not result["holes"]
    return is_whole and not result["wrong"] and (game.moves or result["least_equal"] >= LEAST_EQUAL)


def _recorded() -> dict[str, dict[str, Any]]:
    return dict(json.loads(_FILE.read_text())["games"]) if _FILE.exists() else {}


def _record(game: str, case: str, result: Mapping[str, Any]) -> None:
    games = _recorded()
    games.setdefault(game, {})[case] = result
    _FILE.write_text(json.dumps({"hardware": hardware(), "games": games}, indent=1) + "\n")


def _show() -> None:
    table = Table(title="games: recipes on their real games", title_justify="left", show_edge=False, pad_edge=False)
    columns = ("taken", "outside", "holes", "anchored", "wrong", "unconfirmed", "least_equal", "seconds_per_screenshot")
    for column in ("game", "case", *columns, "as middle", "failed checks"):
        table.add_column(column.replace("_", " "))
    for game, cases in _recorded().items():
        for case, result in cases.items():
            if "failed" in result:
                table.add_row(game, case, *[""] * len(columns), "", result["failed"])
                continue
            checks = ", ".join(result["failed_checks"])
            table.add_row(game, case, *(str(result[name]) for name in columns), _like_middle(cases, case), checks)
    Console(width=max(Console().width, 180)).print(table)


def _like_middle(cases: Mapping[str, Mapping[str, Any]], case: str) -> str:
    """Say whether a map is that of the undisturbed survey: the same tiles, or at least the same positions."""
    middle, own = cases.get("middle", {}), cases[case]
    if case in ("middle", *_OTHERS) or "positions" not in middle:
        return ""
    if own["tiles"] == middle["tiles"]:
        return "same bytes"
    return "same positions" if own["positions"] == middle["positions"] else "differs"


if __name__ == "__main__":
    sys.exit(main())
