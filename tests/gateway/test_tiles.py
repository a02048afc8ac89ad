"""Tiles at their three addresses, conditional requests, and TileJSON."""

from io import BytesIO
from math import asinh, pi, radians, tan
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey, SurveyState
from imageflow_domain.tiles import TileId
from imageflow_surveys.image import read_region


@pytest.fixture
def middle(survey: Survey) -> TileId:
    """A native tile in the middle of the map."""
    mosaic = survey.published()
    return TileId(
        z=mosaic.frame.native_zoom,
        x=(mosaic.bounds.x_px + mosaic.bounds.width_px // 2) // 512,
        y=(mosaic.bounds.y_px + mosaic.bounds.height_px // 2) // 512,
    )


@pytest.fixture
def addresses(survey: Survey, middle: TileId) -> dict[str, str]:
    end = f"{middle.z}/{middle.x}/{middle.y}"
    return {
        "forever": f"/tiles/{survey.id}/{survey.published_revision}/{end}",
        "survey": f"/tiles/{survey.id}/{end}",
        "latest": f"/tiles/{end}",
        "save": f"/tiles/{end}.{{}}?game=city&save=first",
    }


def _pixels(data: bytes) -> Any:
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _at(address: str, picture: str) -> str:
    return address.format(picture) if "{}" in address else f"{address}.{picture}"


def test_every_address_shows_the_same_exact_pixels(
    client: Any, stores: Stores, survey: Survey, middle: TileId, addresses: dict[str, str]
) -> None:
    truth = read_region(stores, survey, middle.rect(survey.published().frame.native_zoom))
    for name, address in addresses.items():
        for picture, magic in (("webp", b"RIFF"), ("png", b"\x89PNG")):
            answer = client.get(_at(address, picture))
            assert answer.status_code == 200, name
            assert answer.headers["content-type"] == f"image/{picture}"
            assert answer.content.startswith(magic)
            assert np.array_equal(_pixels(answer.content), truth.rgb), name


def test_only_the_address_with_a_revision_is_cached_for_good(client: Any, addresses: dict[str, str]) -> None:
    forever = client.get(_at(addresses["forever"], "webp")).headers["cache-control"]
    assert forever == "public, max-age=2592000, immutable"
    for name in ("survey", "latest", "save"):
        moving = client.get(_at(addresses[name], "webp")).headers["cache-control"]
        assert moving == "public, max-age=10"


@pytest.mark.parametrize("name", ["forever", "survey", "latest", "save"])
@pytest.mark.parametrize("picture", ["webp", "png"])
def test_who_has_the_tile_gets_304(client: Any, addresses: dict[str, str], name: str, picture: str) -> None:
    address = _at(addresses[name], picture)
    first = client.get(address)
    etag = first.headers["etag"]
    assert etag.startswith('"')
    for header in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = client.get(address, headers={"if-none-match": header})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
        assert answer.headers["cache-control"] == first.headers["cache-control"]
        assert answer.headers["access-control-allow-origin"] == "*"
    assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200


def test_png_and_webp_have_tags_of_their_own(client: Any, addresses: dict[str, str]) -> None:
    webp = client.get(_at(addresses["forever"], "webp")).headers["etag"]
    png = client.get(_at(addresses["forever"], "png")).headers["etag"]
    assert png == f'{webp[:-1]}-png"'


def test_head_is_get_without_its_body(client: Any, addresses: dict[str, str]) -> None:
    address = _at(addresses["forever"], "webp")
    head, get = client.head(address), client.get(address)
    assert (head.status_code, head.content) == (200, b"")
    for header in ("content-length", "etag", "content-type", "cache-control"):
        assert head.headers[header] == get.headers[header]


def test_every_promised_tile_is_there_down_to_the_smallest_zoom(client: Any, survey: Survey) -> None:
    document = client.get(f"/tiles/{survey.id}/tilejson.json").json()
    facts = document["imageflow"]
    corner = facts["bounds"]["x_px"] + 1, facts["bounds"]["y_px"] + 1
    for z in range(document["minzoom"], document["maxzoom"] + 1):
        side = 512 << (facts["frame"]["native_zoom"] - z)
        answer = client.get(facts["path"].format(z=z, x=corner[0] // side, y=corner[1] // side))
        assert answer.status_code == 200, z


def test_outside_the_map_there_is_nothing(client: Any, survey: Survey, middle: TileId) -> None:
    for z, x, y in [
        (middle.z, 0, 0),
        (middle.z, -1, middle.y),
        (middle.z, 2**31 - 1, middle.y),
        (middle.z + 1, 2 * middle.x, 2 * middle.y),
        (-1, 0, 0),
        (2**31 - 1, 0, 0),
    ]:
        answer = client.get(f"/tiles/{survey.id}/{survey.published_revision}/{z}/{x}/{y}.webp")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), (z, x, y)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"


def test_what_is_no_tile_address_is_refused(client: Any, survey: Survey) -> None:
    for path in (
        f"/tiles/{survey.id}/{'0' * 31}/0/0/0.webp",
        f"/tiles/{survey.id}/0/0/x.webp",
        f"/tiles/{survey.id}/0/0/0.jpg",
        "/tiles/nonsense/0/0/0.webp",
        f"/tiles/0/{10**30}/0.webp",
    ):
        assert client.get(path).status_code == 422, path
    assert client.get("/tiles/0/0/0.webp?game=city").status_code == 400
    assert client.get("/tiles/0/0/0.webp?game=city&save=nosuch").status_code == 404
    assert client.get(f"/tiles/{survey.id}/{'0' * 32}/0/0/0.webp").status_code == 404


def test_a_survey_without_a_map_is_not_ready(client: Any) -> None:
    delayed = client.post("/api/jobs", json={"game_id": "city", "save_data_id": "unmapped"}).json()["error"]
    answer = client.get(f"/tiles/{delayed['details']['survey_id']}/0/0/0.webp")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "NOT_READY")
    assert SurveyState.PLANNED in answer.json()["error"]["message"]


def test_pages_of_other_sites_may_read_tiles_and_nothing_else(client: Any, addresses: dict[str, str]) -> None:
    origin = {"origin": "https://other.example"}
    asked = client.request("OPTIONS", _at(addresses["latest"], "webp"), headers=origin)
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert client.get("/tiles/tilejson.json", headers=origin).headers["access-control-allow-origin"] == "*"
    for path in ("/api/v1/surveys", "/", "/openapi.json"):
        assert "access-control-allow-origin" not in client.get(path, headers=origin).headers


def test_tilejson_points_at_the_revision_and_tells_the_games_pixels(client: Any, survey: Survey) -> None:
    document = client.get(f"/tiles/{survey.id}/tilejson.json").json()
    mosaic = survey.published()
    assert (document["tilejson"], document["scheme"], document["version"]) == ("3.0.0", "xyz", "1.0.0")
    path = f"/tiles/{survey.id}/{mosaic.revision}/{{z}}/{{x}}/{{y}}.webp"
    assert document["imageflow"]["path"] == path
    assert document["tiles"][0].startswith("http://127.0.0.1:")
    assert document["tiles"][0].endswith(path)
    assert document["maxzoom"] == mosaic.frame.native_zoom
    assert document["imageflow"]["bounds"] == mosaic.bounds.model_dump()
    assert client.get("/tiles/tilejson.json?game=city&save=first").json() == document


def test_tilejson_bounds_lie_where_a_mercator_viewer_shows_the_tiles(client: Any, survey: Survey) -> None:
    document = client.get(f"/tiles/{survey.id}/tilejson.json").json()
    bounds, side = survey.published().bounds, survey.published().frame.side_px
    west, south, east, north = document["bounds"]

    def x_px(lon: float) -> float:
        return (lon + 180) / 360 * side

    def y_px(lat: float) -> float:
        return (1 - asinh(tan(radians(lat))) / pi) / 2 * side

    assert [x_px(west), y_px(north), x_px(east), y_px(south)] == pytest.approx(
        [bounds.x_px, bounds.y_px, bounds.right_px, bounds.bottom_px]
    )
    lon, lat, zoom = document["center"]
    assert west < lon < east
    assert south < lat < north
    assert document["minzoom"] <= zoom <= document["maxzoom"]
