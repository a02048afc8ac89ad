"""docs/resources.md names every field that a resource has, and no variable that is not read."""

import re

from imageflow_clients.settings import Settings
from imageflow_resources.configured import configured_resources
from tests.clients.servers import ROOT

TEXT = (ROOT / "docs" / "resources.md").read_text(encoding="utf-8")
MADE_OF = {"database", "object_store"}


def fields_of_the_table() -> dict[str, set[str]]:
    rows = TEXT.partition("| resource | field |")[2].partition("\n\n")[0].splitlines()[2:]
    fields: dict[str, set[str]] = {}
    name = ""
    for row in rows:
        resource, field = row.split("|")[1:3]
        name = resource.strip(" `") or name
        fields.setdefault(name, set()).update(re.findall(r"`(\w+)`", field))
    return fields


def test_the_table_has_every_field_of_every_resource() -> None:
    resources = configured_resources(Settings(), {})
    assert fields_of_the_table() == {
        name: set(type(resource).model_fields) - (MADE_OF if name in {"stores", "models"} else set())
        for name, resource in resources.items()
    }


def test_the_variables_are_those_that_settings_read() -> None:
    named = set(re.findall(r"IMAGEFLOW_(\w+)", TEXT))
    assert named <= {name.upper() for name in Settings.model_fields}
