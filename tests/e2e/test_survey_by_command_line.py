"""Real frames become a map by command line: exact, the game's own picture, the same bytes at any block size."""

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.cli.here import within
from tests.e2e.stack import ROOT, Cli

pytestmark = pytest.mark.e2e

_TRUTH = ROOT / "tests" / "data" / "openttd-small"


def test_every_example_frame_is_exact_and_anchored(cli: Cli, example_survey: str, tmp_path: Path) -> None:
    path = tmp_path / "positions.csv"
    with within(cli) as here:
        here.run("survey", "coordinates", example_survey, "--csv", str(path))
    with path.open() as file:
        found = {row["file"]: row for row in csv.DictReader(file)}
    with (_TRUTH / "truth.csv").open() as file:
        truth = {row["file"]: row for row in csv.DictReader(file)}
    assert found.keys() == truth.keys()
    shifts = {
        (int(found[name]["x"]) - int(truth[name]["true_x"]), int(found[name]["y"]) - int(truth[name]["true_y"]))
        for name in truth
    }
    assert len(shifts) == 1
    assert {row["status"] for row in found.values()} == {"anchored"}
    assert min(float(row["confidence"]) for row in found.values()) >= 0.99


def test_the_mosaic_is_the_games_own_picture(cli: Cli, example_survey: str, tmp_path: Path) -> None:
    path = tmp_path / "mosaic.png"
    with within(cli) as here:
        here.run("survey", "image", example_survey, "-o", str(path))
    mosaic = np.asarray(Image.open(path).convert("RGBA"))
    region = _game_picture()
    # the first frame's true place in the game's picture is the mosaic's left edge; its topmost frame the top edge
    with (_TRUTH / "truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    left, top = min(int(r["true_x"]) for r in rows), min(int(r["true_y"]) for r in rows)
    theirs = region[top : top + mosaic.shape[0], left : left + mosaic.shape[1]]
    covered = mosaic[..., 3] > 0
    wrong = (mosaic[..., :3] != theirs).any(axis=2) & covered
    assert covered.mean() > 0.95
    assert wrong.sum() / covered.sum() <= 0.00002


def test_another_block_size_gives_the_same_tiles(cli: Cli, corner: Path) -> None:
    with within(cli) as here:
        surveys = [
            here.json(
                "survey", "run", "--driver", "folder", "--source", str(corner), "--game", "openttd",
                "--save", f"blocks{side}", "--block-side", side, "--lossless-method", "0",
            )["survey"]
            for side in ("2", "3")
        ]  # fmt: skip
    assert _tiles(cli, surveys[0]) == _tiles(cli, surveys[1])


def test_a_paused_city_under_two_drift_seeds_gives_the_same_tiles(cli: Cli) -> None:
    with within(cli) as here:
        surveys = [
            here.json(
                "survey", "run", "--driver", "city", "--grid", "4x4", "--seed", "3", "--game", "city",
                "--save", f"d{seed}", "--set", "paused=true", "--set", f"drift_seed={seed}", "--set", "water=0.1",
                "--set", "view=[320,256]", "--set", "drift_px=8", "--lossless-method", "0",
            )["survey"]
            for seed in (1, 2)
        ]  # fmt: skip
    assert _tiles(cli, surveys[0]) == _tiles(cli, surveys[1])


def _tiles(cli: Cli, survey: str) -> dict[tuple[int, int, int], str]:
    """Return the digest of every tile's pixels and encoder, which names its object, by address."""
    from imageflow_clients.database.maps import tiles
    from imageflow_clients.settings import Settings
    from imageflow_clients.stores import open_stores
    from imageflow_surveys import states

    stores = open_stores(Settings(home=cli.home))
    one = states.read(stores, survey)
    with stores.database.begin() as connection:
        return {(t.id.z, t.id.x, t.id.y): t.digest for t in tiles.every(connection, one.id, one.published().revision)}


def _game_picture() -> NDArray[np.uint8]:
    """Put the game's own picture of the region together from its pieces."""
    rows = [[np.asarray(Image.open(_TRUTH / f"region_{r}_{c}.webp").convert("RGB")) for c in (0, 1)] for r in (0, 1)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])
