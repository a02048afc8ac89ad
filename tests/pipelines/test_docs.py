"""docs/pipelines.md says what there is: its list is the registry's, its example runs as it says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageflow_pipelines.engine import Engine
from imageflow_pipelines.limits import MAX_ENCODED_BYTES, MAX_PICTURE_PX, MAX_STEPS
from imageflow_pipelines.plan import plan
from imageflow_pipelines.registry import RELEASED, describe, one_line
from imageflow_pipelines.spec_text import read_spec
from imageflow_pipelines.values import KINDS, Encoded, Image, Measurements
from tests.pipelines.pictures import encoded, mask_of

_PAGE = (Path(__file__).parents[2] / "docs" / "pipelines.md").read_text()


def component_rows() -> Iterator[str]:
    """The rows of the page's table, as they should be."""
    for release in RELEASED:
        about = describe(release.component)
        takes = ", ".join(port["name"] + ("" if port["required"] else "?") for port in about["inputs"])
        gives = ", ".join(port["name"] for port in about["outputs"])
        yield f"| `{release.component.reference()}` | {takes} | {gives} | {one_line(release.component)} |"


def test_the_list_of_components_is_that_of_the_registry() -> None:
    listed = [line for line in _PAGE.splitlines() if re.match(r"\| `[a-z_]+@\d+` \|", line)]
    wanted = list(component_rows())
    assert listed == wanted, "Replace the table's rows by:\n" + "\n".join(wanted)


def test_every_kind_of_value_and_every_limit_is_named() -> None:
    for kind in KINDS:
        assert f"`{kind}`" in _PAGE
    for limit in (
        f"{MAX_STEPS} steps",
        f"{MAX_PICTURE_PX // 10**6} million pixels",
        f"{MAX_ENCODED_BYTES // 2**20} MiB",
    ):
        assert limit in _PAGE


@pytest.mark.parametrize(("second_px", "is_marked"), [(200, False), (190, True)])
def test_the_example_does_what_the_page_says(second_px: int, is_marked: bool) -> None:
    """Two parts of 10 mm pass; a picture in which one is half a millimetre short is marked."""
    (example,) = [text for text in re.findall(r"```yaml\n(.*?)```", _PAGE, re.DOTALL) if "pipeline: part_width" in text]
    parts = mask_of((20, 20, 200, 40), (20, 100, second_px, 40), width_px=300, height_px=200)
    picture = encoded(Image(parts.pixels)).data
    with Engine() as engine:
        outputs = engine.run(plan(read_spec(example)), {"picture": picture}).succeeded().outputs
    shortest = outputs["shortest"]
    assert isinstance(shortest, Measurements)
    assert shortest.value("shortest") == pytest.approx(second_px * 0.05)
    assert isinstance(outputs["marked"], Encoded if is_marked else type(None))
