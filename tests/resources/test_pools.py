"""Pools and the number of runs at once follow the settings, wherever the instance is read from."""

from pathlib import Path

import yaml

from imageflow_clients.settings import Settings
from imageflow_resources.pools import runs_at_once
from imageflow_resources.storage import dagster_home


def test_as_many_runs_go_at_once_as_the_pools_have_slots_and_three(tmp_path: Path) -> None:
    assert runs_at_once(Settings(home=tmp_path)) == 3 + 2 + 2 + 2 + 3
    more = Settings(home=tmp_path, capture_pool=5, tiles_pool=4)
    assert runs_at_once(more) == 5 + 2 + 4 + 2 + 3
    written = yaml.safe_load((dagster_home(more) / "dagster.yaml").read_text())
    assert written["concurrency"]["runs"]["max_concurrent_runs"] == 16


def test_plain_dagster_dev_runs_as_many_at_once_as_the_settings_defaults_say() -> None:
    shipped = yaml.safe_load((Path(__file__).parents[2] / "dagster.yaml").read_text())
    assert shipped["concurrency"]["runs"]["max_concurrent_runs"] == runs_at_once(Settings())
