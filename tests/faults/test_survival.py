"""After any kill during a survey, it ends with the same map as an undisturbed one, and leaves nothing behind.

IMAGEFLOW_FAULT_SEED plays an earlier run's dice again; the seed is printed.
"""

import math
import os
import random
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bench.fault_games import LIVE, FaultGames
from bench.faults import EVERYWHERE, OF_A_GAME, OF_S3, Kind, Machine, machine
from bench.trial import endure
from bench.wholeness import Shown
from imageflow_surveys.shares import SMALL_SURVEY
from services.minio import Minio

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

_GAMES = FaultGames(side=math.isqrt(SMALL_SURVEY) + 1, map_side=256)
"""The smallest whose steps are processes; `make soak` has larger ones."""

_SOON = {"IMAGEFLOW_RETRY_WAITS": "1 5 60"}
"""Steps are tried again sooner than by default, and as often."""

_MOST = 7

Shaken = Callable[[str], random.Random]


@pytest.fixture(scope="module")
def shaken() -> Shaken:
    """Dice by the name of what they are for."""
    seed = os.environ.get("IMAGEFLOW_FAULT_SEED") or str(random.SystemRandom().randrange(2**32))

    def dice(name: str) -> random.Random:
        sys.stderr.write(f"IMAGEFLOW_FAULT_SEED={seed}\n")
        return random.Random(f"{seed}/{name}")  # noqa: S311 - dice, not secrets

    return dice


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The city, undisturbed."""
    return _GAMES.undisturbed_city(tmp_path_factory.mktemp("city") / "home")


@pytest.fixture(scope="module")
def on_a_folder(city: Shown, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("on a folder"), None, _GAMES.files, _SOON) as made:
        yield made


def test_a_survey_survives_whatever_is_killed(on_a_folder: Machine, city: Shown, shaken: Shaken) -> None:
    _endure(on_a_folder, "large_blocks", city, EVERYWHERE, shaken("folder"), sweeping=True)


def test_a_survey_survives_a_store_that_is_killed_and_cut_off(
    city: Shown, shaken: Shaken, tmp_path: Path, minio: Minio
) -> None:
    kinds = (*OF_S3, Kind.WORKER, Kind.POSTGRES)
    with machine(tmp_path, Minio, _GAMES.files, _SOON) as on_s3:
        _endure(on_s3, "small_blocks", city, kinds, shaken("s3"))


def test_a_live_survey_survives_the_end_of_its_game_and_of_its_display(
    on_a_folder: Machine, shaken: Shaken, tmp_path: Path
) -> None:
    _endure(on_a_folder, LIVE, _GAMES.undisturbed_live(tmp_path / "home"), OF_A_GAME, shaken("live"))


def _endure(
    where: Machine, game: str, reference: Shown, kinds: Sequence[Kind], dice: random.Random, *, sweeping: bool = False
) -> None:
    """Strike all of these, over as many surveys as that takes."""
    left = deque(dice.sample(kinds, len(kinds)))
    surveys = 0
    while left:
        trial = endure(where, game, f"{game}_{surveys}", reference, left, dice, most=_MOST, sweeping=sweeping)
        assert trial.faults == ()
        assert trial.strikes, f"{trial.survey} ended before anything could be struck: {[*left]}"
        surveys += 1
        sweeping = False
