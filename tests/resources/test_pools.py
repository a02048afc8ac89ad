"""Limits of pools follow their settings, and an operator's changes stay until the setting changes."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest

from imageflow_clients.settings import Settings
from imageflow_resources.pools import set_pools


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def limits(instance: dg.DagsterInstance) -> Mapping[str, int]:
    return {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}


def test_pools_of_a_new_instance_have_the_limits_of_the_settings(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    set_pools(instance, Settings(home=tmp_path, capture_pool=5))
    assert limits(instance) == {"capture": 5, "coords": 2, "tiles": 2, "inspection": 2}


def test_limits_of_before_they_were_remembered_become_those_of_the_settings(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    instance.event_log_storage.set_concurrency_slots("capture", 9)
    set_pools(instance, Settings(home=tmp_path))
    assert limits(instance)["capture"] == 3


def test_a_limit_that_an_operator_changed_stays_until_its_setting_changes(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    set_pools(instance, Settings(home=tmp_path))
    instance.event_log_storage.set_concurrency_slots("capture", 1)  # as Dagster's UI does
    set_pools(instance, Settings(home=tmp_path))
    set_pools(instance, Settings(home=tmp_path, tiles_pool=4))
    assert limits(instance) == {"capture": 1, "coords": 2, "tiles": 4, "inspection": 2}
    set_pools(instance, Settings(home=tmp_path, capture_pool=6, tiles_pool=4))
    assert limits(instance)["capture"] == 6
    set_pools(instance, Settings(home=tmp_path, tiles_pool=4))
    assert limits(instance)["capture"] == 3


def test_a_limit_that_an_operator_removed_stays_removed(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    set_pools(instance, Settings(home=tmp_path))
    instance.event_log_storage.delete_concurrency_limit("tiles")
    set_pools(instance, Settings(home=tmp_path))
    assert "tiles" not in limits(instance)
