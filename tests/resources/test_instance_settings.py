"""Dagster's own classes share the settings of their process."""

from pathlib import Path

import pytest

from imageflow_domain.errors import InvalidInput
from imageflow_resources.instance_settings import settings_of


def test_settings_are_read_once_for_each_home_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    first, of_home = settings_of({}), settings_of({"home": "/srv/maps"})
    assert settings_of({}) is first
    assert settings_of({"home": "/srv/maps"}) is of_home
    assert of_home.home == Path("/srv/maps")
    monkeypatch.setenv("IMAGEFLOW_CAPTURE_POOL", "7")
    assert settings_of({}).capture_pool == settings_of({"home": "/srv/maps"}).capture_pool == 7
    monkeypatch.setenv("IMAGEFLOW_CAPTURE_POOL", "none")
    with pytest.raises(InvalidInput, match="IMAGEFLOW_CAPTURE_POOL"):
        settings_of({})
