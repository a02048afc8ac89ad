"""`imageflow survey show` and `list` of a map that is whole and was not published."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.survey import Survey
from tests.cli.here import Here, command_line
from tests.surveys.cities import city, cut
from tests.surveys.states import completed

WHY = "2 loops of neighbouring offsets do not close."


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, databases: Callable[[], SecretStr]) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("withheld") / "home", database_url=databases())


@pytest.fixture(scope="module")
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    yield opened
    opened.database.close()


@pytest.fixture(scope="module")
def survey(stores: Stores) -> Survey:
    survey = cut(stores, city("withheld", grid="2x2"))
    with stores.database.begin() as connection:
        rows.withhold(connection, survey, 9, WHY)
    return completed(stores, survey)


@pytest.fixture(scope="module")
def cli(settings: Settings) -> Iterator[Here]:
    with command_line(settings.home_path, settings.database_url) as cli:
        yield cli


def test_show_tells_why_a_map_is_not_published_and_what_to_do(cli: Here, survey: Survey) -> None:
    told = cli.run("survey", "show", survey.id)
    assert f"withheld     {WHY}\n" in told.stdout
    assert "trust page" in told.stderr
    assert "IMAGEFLOW_PUBLISH_DESPITE_ERRORS" in told.stderr
    facts = cli.json("survey", "show", survey.id)
    assert (facts["state"], facts["withheld"], facts["revision"]) == ("completed", WHY, None)


def test_list_says_beside_a_survey_that_its_map_is_not_published(cli: Here, survey: Survey) -> None:
    assert f"not published: {WHY}" in " ".join(cli.run("survey", "list").stdout.split())
    (facts,) = cli.json("survey", "list")
    assert (facts["survey"], facts["withheld"]) == (survey.id, WHY)


def test_a_map_that_is_not_published_is_not_exported(cli: Here, survey: Survey, tmp_path: Path) -> None:
    refused = cli.run("survey", "export", survey.id, "--folder", str(tmp_path / "site"), expect=1)
    assert f"The map of '{survey.id}' is not published: {WHY}" in refused.stderr
