"""What the Helm chart takes from the rest of the repository."""

from imageflow_clients.chart_reference import made_files, values_schema
from imageflow_clients.settings import Settings
from tests.clients.servers import ROOT


def test_the_files_that_are_made_from_the_code_are_current() -> None:
    assert [path.name for path, content in made_files(ROOT).items() if path.read_text() != content] == []


def test_settings_take_no_secret_and_nothing_that_the_chart_sets_itself() -> None:
    taken = values_schema({"settings": {}})["properties"]["settings"]["properties"]
    assert "IMAGEFLOW_TILES_POOL" in taken
    assert (
        taken.keys() & {"IMAGEFLOW_DATABASE_URL", "IMAGEFLOW_ALERT_SECRET", "IMAGEFLOW_HOME", "IMAGEFLOW_OPEN"} == set()
    )
    assert {name.removeprefix("IMAGEFLOW_").lower() for name in taken} < set(Settings.model_fields)
