"""`make soak`: hundreds of kills, survey after survey, on a folder and on two S3 servers.

IMAGEFLOW_SOAK_KILLS (500) is how many there are to be, those of earlier runs in `results/soak.json` included: what was
broken off is gone on with, and several may run side by side. Remove the file to begin anew. IMAGEFLOW_FAULT_SEED plays
a round of it again, alone.
"""

import fcntl
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.__main__ import RESULTS, hardware
from bench.fault_games import CITIES, LIVE, FaultGames
from bench.faults import OF_A_GAME, Machine, machine
from bench.trial import Trial, endure
from bench.wholeness import Shown
from services.minio import Minio
from services.rclone import Rclone

CHECKED = (
    "the survey is completed",
    "its tiles, of all zooms, are an undisturbed survey's byte for byte",
    "place, confidence and digest of every screenshot, and every offset, are the undisturbed survey's",
    "every row of screenshots and tiles has its object",
    "every object under a final key is whole",
    "after two sweeps no object is left that no row names, and no half-written file",
    "after it is deleted, and two sweeps, no object is left at all",
    "no request was answered 500",
)
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType]
_STORES: Mapping[str, Callable[[Path], Minio | Rclone] | None] = {"folder": None, "minio": Minio, "rclone": Rclone}
_SURVEYS, _MOST = 3, 40
_GAMES = FaultGames(side=20, map_side=512)
_FILE = RESULTS / "soak.json"


def main() -> int:
    """Go on until there were as many kills as wanted; return the exit status."""
    wanted = int(os.environ.get("IMAGEFLOW_SOAK_KILLS", "500"))
    given = os.environ.get("IMAGEFLOW_FAULT_SEED")
    with tempfile.TemporaryDirectory() as folder:
        city, live = _GAMES.undisturbed_city(Path(folder) / "city"), _GAMES.undisturbed_live(Path(folder) / "live")
    while _kills(_recorded()) < wanted:
        seed = int(given) if given is not None else random.SystemRandom().randrange(2**32)
        print(f"IMAGEFLOW_FAULT_SEED={seed}", flush=True)
        for trial in _round(seed, city, live):
            _record({"seed": seed, **trial}, wanted)
        if given is not None:
            break
    return 1 if any(trial["faults"] for trial in _recorded()) else 0


def _round(seed: int, city: Shown, live: Shown) -> Iterator[dict[str, Any]]:
    """Strike a few surveys on a machine of their own; where one did not end well its folder is left to be looked at."""
    dice = random.Random(seed)  # noqa: S311 - dice, not secrets
    store = dice.choice(list(_STORES))
    folder = Path(tempfile.mkdtemp(prefix="imageflow-soak-"))
    faults: Sequence[str] = ()
    try:
        with machine(folder, _STORES[store], _GAMES.files) as made:
            for number in range(_SURVEYS):
                game, trial = _survey(made, number, dice, city, live)
                faults = trial.faults
                yield {"store": store, "game": game, **_told(trial)}
                if faults:
                    break
    except Exception:  # noqa: BLE001 - every result of a kill is a finding, and the next round goes on
        faults = (traceback.format_exc(),)
        yield {"store": store, "game": "", "strikes": {}, "retries": 0, "faults": faults}
    if faults:
        print(f"{folder} is left: {faults}", file=sys.stderr, flush=True)
    else:
        shutil.rmtree(folder, onerror=_pass_what_is_gone)


def _pass_what_is_gone(_: object, path: str, why: ExceptionInfo) -> None:
    """Go on where PostgreSQL, which ends after its last client, took its own files away meanwhile."""
    if not issubclass(why[0], FileNotFoundError):
        raise OSError(f"{path} cannot be removed.") from why[1]


def _survey(made: Machine, number: int, dice: random.Random, city: Shown, live: Shown) -> tuple[str, Trial]:
    game = dice.choice([*CITIES, LIVE])
    kinds = deque(dice.choices(made.kinds, k=_MOST))
    reference = city
    if game == LIVE:
        kinds, reference = deque(dice.choices(OF_A_GAME, k=6)), live
    return game, endure(
        made, game, f"soak_{number}", reference, kinds, dice, most=_MOST, sweeping=dice.random() < 1 / _SURVEYS
    )


def _told(trial: Trial) -> dict[str, Any]:
    told = asdict(trial)
    return {**told, "strikes": Counter(strike.kind.value for strike in trial.strikes)}


def _recorded() -> list[dict[str, Any]]:
    return list(json.loads(_FILE.read_text())["trials"]) if _FILE.exists() else []


def _kills(trials: Sequence[Mapping[str, Any]]) -> int:
    return sum(sum(trial["strikes"].values()) for trial in trials)


def _record(done: Mapping[str, Any], wanted: int) -> None:
    """Add a survey to the record, one soak at a time: what was killed, how often, what was checked and what failed."""
    folder = os.open(RESULTS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        _write([*_recorded(), done], wanted)
    finally:
        os.close(folder)


def _write(trials: Sequence[Mapping[str, Any]], wanted: int) -> None:
    by_kind: Counter[str] = Counter()
    for trial in trials:
        by_kind.update(trial["strikes"])
    record = {
        "bench": "soak",
        "hardware": hardware(),
        "kills": by_kind.total(),
        "wanted": wanted,
        "by_kind": dict(sorted(by_kind.items())),
        "surveys": len(trials),
        "surveys_with_faults": sum(bool(trial["faults"]) for trial in trials),
        "taken_up_again": sum(trial["retries"] for trial in trials),
        "checked_after_each_survey": CHECKED,
        "trials": trials,
    }
    written = _FILE.with_suffix(".json.new")
    written.write_text(json.dumps(record, indent=1) + "\n")
    written.replace(_FILE)


if __name__ == "__main__":
    sys.exit(main())
