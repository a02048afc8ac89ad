"""The commands that keep surveys in order: encode, lineage, delete, sweep, prune."""

import json
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from imageflow_clients.settings import Settings
from imageflow_clients.stores import open_stores
from imageflow_domain import keys
from imageflow_surveys import states
from tests.cli.here import Here, command_line
from tests.surveys.cities import digests

pytestmark = pytest.mark.e2e

_CITY = ("survey", "run", "--driver", "city", "--game", "city", "--grid", "2x2", "--set", "view=[320,256]")


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Iterator[Here]:
    with command_line(tmp_path_factory.mktemp("upkeep") / "home", databases()) as cli:
        yield cli


@pytest.fixture(scope="module")
def survey(cli: Here) -> str:
    return cli.run(*_CITY, "--save", "kept", "--set", "paused=true").stdout.strip()


def _facts(cli: Here, survey: str) -> dict[str, object]:
    return json.loads(cli.run("survey", "show", survey, "--json").stdout)


def test_encoding_anew_gives_another_revision_though_the_screenshots_are_deleted(cli: Here, survey: str) -> None:
    before = _facts(cli, survey)
    done = cli.run("survey", "encode", survey, "--lossless-method", "1", "--lossy-quality", "50")
    assert f"'{survey}' is encoded anew: lossless method 1, lossy quality 50." in done.stderr
    after = _facts(cli, survey)
    assert after["revision"] != before["revision"]
    assert (after["state"], after["tiles"]) == ("completed", before["tiles"])
    again = cli.run("survey", "encode", survey, "--lossless-method", "1", expect=1).stderr
    assert again == (f"Error: '{survey}' is encoded so already: its tiles are lossless method 1, lossy quality 50.\n")


def test_lineage_names_the_screenshots_and_whether_they_are_stored(cli: Here, survey: str) -> None:
    left, top, width, height = (int(part) for part in str(_facts(cli, survey)["bounds"]).split(","))
    middle = f"{left + width // 2},{top + height // 2}"
    told = json.loads(cli.run("survey", "lineage", survey, "--at", middle, "--json").stdout)
    assert {shot["area"] for shot in told["screenshots"]} == {"r00_c00", "r00_c01", "r01_c00", "r01_c01"}
    assert not any(shot["stored"] for shot in told["screenshots"])
    assert all(len(shot["digest"]) == 40 for shot in told["screenshots"])
    assert len(told["offsets"]) >= 3
    outside = cli.run("survey", "lineage", survey, "--at", "99999,0", expect=2).stderr
    assert outside == f"Error: 99999,0 lies outside the map, which is {left},{top},{width},{height}.\n"


def test_pruning_asks_for_a_number_lists_and_deletes_and_two_sweeps_free_the_tiles(cli: Here) -> None:
    old, new = (cli.run(*_CITY, "--save", "pruned", "--seed", seed).stdout.strip() for seed in ("31", "32"))
    stores = open_stores(Settings(home=cli.home))
    tiles = set(digests(stores, states.read(stores, old)).values())
    tiles -= set(digests(stores, states.read(stores, new)).values())

    assert "--keep N" in cli.run("survey", "prune", expect=2).stderr
    dry = cli.run("survey", "prune", "--keep", "1", "--older-than", "0", "--dry-run").stdout
    assert old in dry
    assert new not in dry
    assert "Nothing to prune." in cli.run("survey", "prune", "--keep", "1", "--older-than", "1").stderr
    cli.run("survey", "prune", "--keep", "1", "--older-than", "0", typed="n\n", expect=130)
    assert states.read(stores, old)
    assert "1 survey deleted." in cli.run("survey", "prune", "--keep", "1", "--older-than", "0", "--yes").stderr
    cli.run("survey", "show", old, expect=3)

    assert cli.run("sweep", "--grace-hours", "0").stdout.startswith("0 tiles deleted.\n")
    assert all(stores.objects.exists(keys.tile(digest)) for digest in tiles)
    swept = json.loads(cli.run("sweep", "--grace-hours", "0", "--json").stdout)
    assert swept["deleted"] >= len(tiles) > 0
    assert not any(stores.objects.exists(keys.tile(digest)) for digest in tiles)
    stores.database.close()
