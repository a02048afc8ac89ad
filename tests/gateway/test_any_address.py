"""Every request gets an answer that is no failure of the gateway."""

from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from imageflow_domain.survey import Survey

QUICKLY = how(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

PART = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["..", ".", "", "\x00", "０", "+1", "1e3", "-0", "tilejson.json", "_DONE", "a" * 300]),
    st.integers().map(str),
)
NUMBER = st.one_of(st.integers(-(2**70), 2**70), st.integers(0, 8))


@QUICKLY
@given(z=NUMBER, x=NUMBER, y=NUMBER, picture=st.sampled_from(["webp", "png"]))
def test_any_numbers_as_a_tile(client: Any, survey: Survey, z: int, x: int, y: int, picture: str) -> None:
    for start in (f"/tiles/{survey.id}/{survey.published_revision}", f"/tiles/{survey.id}", "/tiles"):
        assert client.get(f"{start}/{z}/{x}/{y}.{picture}").status_code in {200, 404, 422}


@QUICKLY
@given(parts=st.lists(PART, min_size=1, max_size=6), end=st.sampled_from([".webp", ".png", ""]))
def test_any_text_as_a_tile(client: Any, parts: list[str], end: str) -> None:
    path = "/".join(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in parts)
    assert client.get(f"/tiles/{path}{end}").status_code < 500


@QUICKLY
@given(game=PART, batch=PART, name=st.one_of(PART, PART.map(lambda part: f"{part}.png")))
def test_any_text_as_an_uploads_name(client: Any, game: str, batch: str, name: str) -> None:
    path = "/".join(quote(part.encode("utf-8", "surrogatepass"), safe="") for part in (game, "first", batch, name))
    assert client.put(f"/api/v1/uploads/maps/{path}", content=b"x").status_code < 500


@QUICKLY
@given(header=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_any_if_none_match(client: Any, survey: Survey, header: str) -> None:
    answer = client.get(f"/tiles/{survey.id}/0/0/0.webp", headers={"if-none-match": header})
    assert answer.status_code in {200, 304}
