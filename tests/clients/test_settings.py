"""What the environment says, and where files of processes lie."""

from pathlib import Path
from typing import Any

import pytest

from imageflow_clients.settings import Settings
from imageflow_clients.stores import made_scratch
from imageflow_domain.errors import InvalidInput, StoreUnavailable


def test_files_of_processes_lie_in_a_folder_of_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The upkeep deletes what it finds there."""
    assert Settings(home=tmp_path).scratch_path == tmp_path / "scratch"
    monkeypatch.setenv("IMAGEFLOW_SCRATCH", str(tmp_path))
    assert Settings(home=tmp_path / "home").scratch_path == tmp_path / "imageflow"


def test_a_scratch_folder_that_cannot_be_made_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreUnavailable, match=r"file/scratch.*IMAGEFLOW_SCRATCH"):
        made_scratch(tmp_path / "file" / "scratch")


def test_an_address_of_alerts_that_is_given_twice_counts_once() -> None:
    settings = Settings(alert_webhooks="https://b.example/x https://a.example/x  https://b.example/x")
    assert settings.alert_addresses == ("https://b.example/x", "https://a.example/x")


def test_every_wrong_variable_is_named_whichever_part_it_belongs_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEFLOW_STORE_REQUESTS", "0")
    monkeypatch.setenv("IMAGEFLOW_INFERENCE_THREADS", "-1")
    monkeypatch.setenv("IMAGEFLOW_GAME_START_TIMEOUT_S", "0")
    with pytest.raises(InvalidInput) as caught:
        Settings()
    for name in ("STORE_REQUESTS", "INFERENCE_THREADS", "GAME_START_TIMEOUT_S"):
        assert f"IMAGEFLOW_{name}: " in str(caught.value)


@pytest.mark.parametrize(
    ("given", "reachable"),
    [
        ({}, "127.0.0.1:50051"),
        ({"engine_grpc_port": 7}, "127.0.0.1:7"),
        ({"engine_grpc_port": 0}, None),
        ({"public_url": "https://maps.example.com"}, None),
        ({"public_url": "https://maps.example.com", "grpc_address": "grpc.example.com:443"}, "grpc.example.com:443"),
        ({"grpc_address": "none"}, None),
    ],
)
def test_clients_are_told_only_an_address_of_grpc_that_they_can_reach(
    given: dict[str, Any], reachable: str | None
) -> None:
    assert Settings(**given).reachable_grpc == reachable
