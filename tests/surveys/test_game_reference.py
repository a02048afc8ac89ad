"""What is written of a game's YAML follows from the classes that read it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from game_capture.registry import named_files, parameters_of
from imageflow_domain.survey import DriverSpec
from imageflow_surveys.files_beside import read_local
from imageflow_surveys.game_reference import renewed
from imageflow_surveys.game_schema import game_schema
from imageflow_surveys.games import read_content

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "games.md"


def test_the_tables_of_the_docs_are_not_stale() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert renewed(text) == text, "run `make reference`"


def test_a_page_without_a_place_for_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="the page lacks the lines"):
        renewed("# Nothing")


def test_every_setting_of_a_game_has_a_description() -> None:
    assert [path for path, field in _fields(game_schema(), "") if not field.get("description")] == []


@pytest.mark.parametrize("file", sorted((ROOT / "games").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_is_right_and_has_its_files(file: Path) -> None:
    driver = DriverSpec.model_validate(read_content(file)["driver"])
    assert parameters_of(driver)
    for name in named_files(driver):
        assert read_local(file.parent, name)
    if driver.name == "x11":
        assert file.read_text(encoding="utf-8").startswith("# apt-get install xvfb xdotool ")


def _fields(schema: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for name, field in schema.get("properties", {}).items():
            if isinstance(field, dict) and "const" not in field:
                yield f"{path}/{name}", field
        for name, part in schema.items():
            yield from _fields(part, f"{path}/{name}")
    elif isinstance(schema, list):
        for part in schema:
            yield from _fields(part, path)
