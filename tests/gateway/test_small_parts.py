"""Entity tags, the short memory, log lines and TileJSON's arithmetic."""

import json
import logging

import pytest

from imageflow_clients.settings import Settings
from imageflow_domain.geometry import Rect
from imageflow_domain.survey import Layer
from imageflow_edge.logs import JsonLines
from imageflow_gateway.dagster_links import DagsterLinks, links_for
from imageflow_gateway.etags import matches
from imageflow_surveys.tilejson import smallest_zoom
from imageflow_surveys.ttl_cache import TtlCache


@pytest.mark.parametrize("header", ['"abc"', 'W/"abc"', '"x", "abc"', '"x",W/"abc" , "y"', "*", " * "])
def test_if_none_match_names_the_tag(header: str) -> None:
    assert matches(header, '"abc"')


@pytest.mark.parametrize("header", [None, "", '"abcd"', "abc", '"abc', 'W/"ab"', '"a,bc"'])
def test_if_none_match_names_another(header: str | None) -> None:
    assert not matches(header, '"abc"')


def test_a_cached_value_is_made_again_after_its_time() -> None:
    now = 0.0
    asked: list[int] = []
    cache: TtlCache[str, int] = TtlCache(ttl_s=1.0, size=2, clock=lambda: now)

    def make() -> int:
        asked.append(1)
        return len(asked)

    assert [cache.get("a", make), cache.get("a", make)] == [1, 1]
    now = 1.5
    assert cache.get("a", make) == 2


def test_a_cache_forgets_the_oldest_first_and_keeps_no_failure() -> None:
    cache: TtlCache[str, str] = TtlCache(ttl_s=9.0, size=2)
    with pytest.raises(LookupError):
        cache.get("a", lambda: {}["a"])  # type: ignore[var-annotated]
    for key in "abc":
        cache.get(key, lambda key=key: key)  # type: ignore[misc]
    assert cache.get("c", lambda: "new") == "c"
    assert cache.get("a", lambda: "new") == "new"


def test_a_log_line_is_one_json_object() -> None:
    record = logging.LogRecord("here", logging.INFO, "", 0, 'two\nlines "%s"', ("x",), None)
    record.fields = {"status": 200}
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line) | {"time": ""} == {
        "time": "",
        "level": "info",
        "logger": "here",
        "message": 'two\nlines "x"',
        "status": 200,
    }


@pytest.mark.parametrize(("longer_px", "zoom"), [(512, 5), (513, 4), (1024, 4), (8192, 1), (16384, 0)])
def test_smallest_zoom_shows_the_whole_map_in_one_tiles_size(longer_px: int, zoom: int) -> None:
    assert smallest_zoom(Rect(x_px=0, y_px=0, width_px=100, height_px=longer_px), native_zoom=5) == zoom


def test_links_into_dagster_name_a_survey_by_its_partition() -> None:
    links = DagsterLinks(base_url="http://d")
    assert links.runs_of("city-a-0001") == "http://d/runs?q[0]=tag%3Adagster%2Fpartition%3Dcity-a-0001"
    for layer in Layer:
        assert links.partition(layer, "city-a-0001") == f"http://d/assets/{layer}?view=partitions&partition=city-a-0001"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://maps.lan:3000"),
        ({"dagster_url": "http://dagster:3000"}, "http://dagster:3000"),
        (
            {"dagster_url": "http://dagster:3000", "dagster_public_url": "https://dagster.example.com/"},
            "https://dagster.example.com",
        ),
    ],
)
def test_links_into_dagster_lead_where_the_settings_say_and_else_to_the_host_that_was_called(
    given: dict[str, str], url: str
) -> None:
    assert links_for(Settings(host="0.0.0.0", **given), "maps.lan").base_url == url  # noqa: S104 - compared, not bound
