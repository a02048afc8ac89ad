from imageflow_clients.settings import PARTS, Settings
from imageflow_clients.settings_reference import settings_page
from tests.clients.servers import ROOT


def test_the_page_of_settings_is_the_one_that_make_reference_writes() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page()


def test_every_setting_is_in_one_part_and_says_what_it_is() -> None:
    assert {name for part in PARTS for name in part.model_fields} == set(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())
    for name in Settings.model_fields:
        assert settings_page().count(f"| `IMAGEFLOW_{name.upper()}` |") == 1
