import os

import pytest

from imageflow_clients.settings import Settings
from imageflow_domain.errors import InvalidInput
from imageflow_edge.openness import check_openness


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("IMAGEFLOW_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_alone_needs_no_permission(host: str) -> None:
    check_openness(Settings(host=host))


@pytest.mark.parametrize(
    ("opening", "named"),
    [
        ({"host": "0.0.0.0"}, "--host is 0.0.0.0"),  # noqa: S104 - what an operator may set
        ({"host": "192.168.1.20"}, "--host is 192.168.1.20"),
        ({"public_url": "https://maps.example.com"}, "IMAGEFLOW_PUBLIC_URL is set"),
        ({"trusted_proxies": ("10.0.0.5",)}, "IMAGEFLOW_TRUSTED_PROXIES is set"),
    ],
)
def test_other_machines_need_it_and_the_message_says_what_that_exposes(opening: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_openness(Settings.model_validate(opening))
    assert named in str(refused.value)
    assert "read and delete all maps" in str(refused.value)
    assert "IMAGEFLOW_OPEN=1" in str(refused.value)
    check_openness(Settings.model_validate({**opening, "open": True}))


def test_variables_that_are_set_to_nothing_open_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPEN", "PUBLIC_URL", "TRUSTED_PROXIES"):
        monkeypatch.setenv(f"IMAGEFLOW_{name}", "")
    settings = Settings()
    assert (settings.open, settings.public_url, settings.trusted_proxies) == (False, None, ())
    check_openness(settings)
