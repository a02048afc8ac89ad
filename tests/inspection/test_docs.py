"""docs/inspection.md says what there is: its product is one that can be read, its types are all that there are."""

import re
from pathlib import Path

from imageflow_domain.masters import CRITERIA, ItemType, read_items
from imageflow_inspection.product_file import ProductFile

_PAGE = (Path(__file__).parents[2] / "docs" / "inspection.md").read_text()


def test_the_pages_product_can_be_read() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", _PAGE, re.DOTALL)
    read = ProductFile.parse(example)
    assert [item.type for item in read_items(read.items)] == [ItemType.VISUAL, ItemType.DIMENSION, ItemType.TEXT]


def test_every_type_and_field_of_criteria_is_named() -> None:
    rows = {row.split("|")[1].strip(" `"): row for row in _PAGE.splitlines() if row.startswith("| `")}
    assert rows.keys() == set(ItemType)
    named = re.findall(r"\w+", _PAGE)
    for rule in CRITERIA.values():
        assert {name for name in rule.model_fields if name not in named} <= {"ranges", "measurement", "ignore_case"}
