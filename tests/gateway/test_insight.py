"""Lineage, trust, changes, saves, animations and drivers over the API; known answers, and what is refused."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from game_capture.registry import DRIVERS
from imageflow_clients.database.maps import attempts, placements
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Carrier, Layer, Survey
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, cut_blocks, register_blocks
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey
from tests.gateway.conftest import city
from tests.surveys.states import completed


def _published(stores: Stores, save: str, *, block_side: int = 10, **parameters: Any) -> Survey:
    spec = city(save, **parameters).model_copy(update={"block_side": block_side})
    survey = plan_survey(stores, spec, Carrier.COMMAND_LINE)
    capture_blocks(stores, survey, survey.blocks())
    register_blocks(stores, survey, survey.blocks())
    place_survey(stores, survey)
    survey = states.read(stores, survey.id)
    cut_blocks(stores, survey, survey.blocks())
    make_overviews(stores, survey)
    completed(stores, survey)
    return states.read(stores, survey.id)


@pytest.fixture(scope="module")
def years(stores: Stores) -> tuple[Survey, Survey]:
    """A city, and what was rebuilt a year later."""
    rebuilt = {"changes": 1.0, "changes_within": [300, 300, 200, 200]}
    return _published(stores, "years", seed=9), _published(stores, "years", seed=9, year=1, **rebuilt)


def test_lineage_names_tile_screenshots_and_offsets_under_a_pixel(client: Any, stores: Stores, survey: Survey) -> None:
    with stores.database.begin() as connection:
        places = placements.placements(connection, survey.id)
    x, y = places[5].x_px + 3, places[5].y_px + 4
    told = client.get(f"/api/v1/surveys/{survey.id}/lineage", params={"x": x, "y": y}).json()
    under = [p for p in places if p.x_px <= x < p.x_px + 640 and p.y_px <= y < p.y_px + 512]
    assert [(s["row"], s["col"]) for s in told["screenshots"]] == [(p.cell.row, p.cell.col) for p in under]
    assert len(under) >= 2
    assert [(s["bounds"]["x_px"], s["bounds"]["y_px"]) for s in told["screenshots"]] == [
        (p.x_px, p.y_px) for p in under
    ]
    native = survey.published().frame.native_zoom
    tile = told["tile"]
    assert (tile["z"], tile["x"], tile["y"]) == (native, x // 512, y // 512)
    assert client.get(tile["url"]).headers["etag"] == f'"{tile["digest"]}"'
    assert tile["survey"] == survey.id
    cells = {(p.cell.row, p.cell.col) for p in under}
    assert told["offsets"]
    for pair in told["offsets"]:
        assert cells & {(pair["row"], pair["col"]), (pair["other_row"], pair["other_col"])}
    for shot in told["screenshots"]:
        assert client.get(shot["thumbnail"]).status_code == 200
    assert [made["layer"] for made in told["made_by"]] == [
        "screenshots", "pair_offsets", "coordinates", "tiles", "overviews",
    ]  # fmt: skip
    assert (told["versions_known"], {made["code_version"] for made in told["made_by"]}) == (False, {None})
    assert {made["run_id"] for made in told["made_by"]} == {None}, "of an older version: no row names its runs"


def test_lineage_names_the_run_of_each_block_without_dagster(client: Any, stores: Stores) -> None:
    survey = _published(stores, "origin", block_side=2)
    with stores.database.begin() as connection:
        for block in survey.blocks():
            attempts.begin(connection, survey.id, Layer.SCREENSHOTS, block, f"shots of {block.key}")
            attempts.begin(connection, survey.id, Layer.TILES, block, f"tiles of {block.key}")
        attempts.begin(connection, survey.id, Layer.COORDINATES, None, "place")
    bounds = survey.published().bounds
    told = client.get(
        f"/api/v1/surveys/{survey.id}/lineage", params={"x": bounds.x_px + 5, "y": bounds.y_px + 5}
    ).json()
    by_layer = {made["layer"]: made for made in told["made_by"]}
    cutter = by_layer["tiles"]["block"]
    assert {layer: made["run_id"] for layer, made in by_layer.items()} == {
        "screenshots": "shots of r00c00",
        "pair_offsets": None,
        "coordinates": "place",
        "tiles": f"tiles of {cutter}",
        "overviews": None,
    }
    made = by_layer["screenshots"]
    assert (made["block"], made["run_url"].endswith("/runs/shots%20of%20r00c00")) == ("r00c00", True)
    assert made["partition_url"].endswith(f"/assets/screenshots?view=partitions&partition={survey.id}")


def test_lineage_of_an_unchanged_place_names_the_survey_that_made_its_tile(
    client: Any, years: tuple[Survey, Survey]
) -> None:
    first, second = years
    bounds = second.published().bounds
    far = {"x": bounds.right_px - 5, "y": bounds.bottom_px - 5}
    told = client.get(f"/api/v1/surveys/{second.id}/lineage", params=far).json()
    assert told["tile"]["survey"] == first.id
    assert [made["survey"] for made in told["made_by"] if made["layer"] == "tiles"] == [first.id]
    changed = client.get(f"/api/v1/surveys/{second.id}/changes", params={"since": first.id}).json()["places"][0][
        "bounds"
    ]
    near = {"x": changed["x_px"], "y": changed["y_px"]}
    assert client.get(f"/api/v1/surveys/{second.id}/lineage", params=near).json()["tile"]["survey"] == second.id


def test_lineage_stays_when_the_screenshots_are_deleted(client: Any, stores: Stores) -> None:
    survey = _published(stores, "sealed")
    bounds = survey.published().bounds
    place = {"x": bounds.x_px + 100, "y": bounds.y_px + 100}
    before = client.get(f"/api/v1/surveys/{survey.id}/lineage", params=place).json()
    clean_up(stores, states.read(stores, survey.id))
    after = client.get(f"/api/v1/surveys/{survey.id}/lineage", params=place).json()
    assert [s["digest"] for s in after["screenshots"]] == [s["digest"] for s in before["screenshots"]]
    assert {(s["kept"], s["picture"], s["thumbnail"]) for s in after["screenshots"]} == {(False, None, None)}
    worst = client.get(f"/api/v1/surveys/{survey.id}/trust").json()["worst"]
    assert {(shot["seam"]["own"], shot["seam"]["neighbour"]) for shot in worst} == {(None, None)}


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ({"x": 0, "y": 0}, 400),
        ({"x": -1, "y": 5}, 422),
        ({"x": 2**31, "y": 5}, 422),
        ({"x": "nan", "y": 5}, 422),
        ({"x": 5}, 422),
        ({"x": 2**31 - 1, "y": 2**31 - 1}, 400),
    ],
)
def test_a_place_off_the_map_has_no_lineage(client: Any, survey: Survey, place: dict[str, Any], status: int) -> None:
    assert client.get(f"/api/v1/surveys/{survey.id}/lineage", params=place).status_code == status


def test_trust_counts_what_the_placement_says(client: Any, stores: Stores, survey: Survey) -> None:
    told = client.get(f"/api/v1/surveys/{survey.id}/trust").json()
    with stores.database.begin() as connection:
        pairs = placements.offsets(connection, survey.id)
    assert (told["screenshots"], told["anchored"], told["anchored_share"]) == (12, 12, 1.0)
    assert [finding["name"] for finding in told["findings"]] == [
        "loops_close", "shots_placed", "decisive_offsets_kept", "mostly_anchored", "one_group",
        "positions_hold",
    ]  # fmt: skip
    assert all(finding["holds"] for finding in told["findings"])
    # 2 x 3 squares of four, each with four triangles
    assert (told["loops"]["closed"], told["loops"]["open"]) == (24, 0)
    assert told["seams"]["offsets"] == len(pairs)
    assert sum(bar["count"] for bar in told["seams"]["agreements"]) == len(pairs)
    assert told["seams"]["mean_agreement"] == pytest.approx(sum(p.agreement for p in pairs) / len(pairs))
    assert len(told["worst"]) == 12
    for shot in told["worst"]:
        seam = shot["seam"]
        sizes = set()
        for side in ("own", "neighbour"):
            with Image.open(BytesIO(client.get(seam[side]).content)) as picture:
                sizes.add(picture.size)
        assert sizes == {(seam["width"], seam["height"])}


def test_changes_over_the_api_are_largest_first_and_cut_to_the_limit(client: Any, years: tuple[Survey, Survey]) -> None:
    first, second = years
    address = f"/api/v1/surveys/{second.id}/changes"
    told = client.get(address, params={"since": first.id}).json()
    assert told["exact"]
    assert told["places_in_all"] == len(told["places"]) > 0
    counts = [place["changed_px"] for place in told["places"]]
    assert (counts, sum(counts)) == (sorted(counts, reverse=True), told["changed_px"])
    one = client.get(address, params={"since": first.id, "limit": 1}).json()
    assert (one["places"], one["places_in_all"]) == (told["places"][:1], told["places_in_all"])


def test_surveys_that_cannot_be_compared_are_refused_in_words(
    client: Any, survey: Survey, years: tuple[Survey, Survey]
) -> None:
    address = f"/api/v1/surveys/{survey.id}/changes"
    other = client.get(address, params={"since": years[0].id})
    assert (other.status_code, "different saves" in other.json()["error"]["message"]) == (409, True)
    assert client.get(address, params={"since": "city-nobody-0001"}).status_code == 404
    assert client.get(address, params={"since": "../../etc"}).status_code == 422
    assert client.get(address).status_code == 422
    assert client.get("/api/v1/surveys/city-nobody-0001/changes", params={"since": survey.id}).status_code == 404


def test_saves_tell_their_latest_and_their_newest_survey(
    client: Any, stores: Stores, years: tuple[Survey, Survey]
) -> None:
    planned = plan_survey(stores, city("years", seed=9), Carrier.COMMAND_LINE)
    (told,) = [s for s in client.get("/api/v1/saves").json()["saves"] if s["save"] == "years"]
    assert (told["game"], told["surveys"]) == ("city", 3)
    assert (told["newest"]["id"], told["newest"]["state"]) == (planned.id, "planned")
    latest = told["latest"]
    assert (latest["id"], latest["frame_number"], latest["links"]["map"]) == (years[1].id, 1, f"/maps/{years[1].id}")
    assert latest["tiles"] == client.get(f"/api/v1/surveys/{years[1].id}").json()["counts"]["tiles_cut"]


def test_an_animation_has_one_frame_a_survey(client: Any, years: tuple[Survey, Survey]) -> None:
    first, second = years
    place = client.get(f"/api/v1/surveys/{second.id}/changes", params={"since": first.id}).json()["places"][0]["bounds"]
    region = {"x": place["x_px"], "y": place["y_px"], "width": 120, "height": 90, "frame_ms": 250}
    for kind in ("gif", "webp"):
        answer = client.get(f"/api/v1/saves/city/years/animation.{kind}", params=region)
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"image/{kind}"), answer.text
        with Image.open(BytesIO(answer.content)) as moving:
            moving.load()
            assert (moving.n_frames, moving.size, moving.info["duration"]) == (2, (120, 90), 250)
        again = client.get(
            f"/api/v1/saves/city/years/animation.{kind}",
            params=region,
            headers={"if-none-match": answer.headers["etag"]},
        )
        assert again.status_code == 304


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"width": 0}, 422),
        ({"height": 2**31}, 422),
        ({"x": -1}, 422),
        ({"x": 2**31 - 1}, 400),
        ({"width": 2**31 - 1, "height": 2**31 - 1}, 400),
        ({"max_side": 1025}, 422),
        ({"frame_ms": 1}, 422),
        ({"x": 0, "y": 0, "width": 10, "height": 10}, 400),
    ],
)
def test_a_region_that_cannot_be_shown_is_refused(
    client: Any, years: tuple[Survey, Survey], wrong: dict[str, Any], status: int
) -> None:
    bounds = years[0].published().bounds
    region = {"x": bounds.x_px, "y": bounds.y_px, "width": 100, "height": 100}
    answer = client.get("/api/v1/saves/city/years/animation.gif", params=region | wrong)
    assert answer.status_code == status, answer.text


def test_an_animation_of_a_save_without_a_map_is_refused(client: Any) -> None:
    region = {"x": 0, "y": 0, "width": 10, "height": 10}
    assert client.get("/api/v1/saves/city/nobody/animation.gif", params=region).status_code == 409
    assert client.get("/api/v1/saves/city/nobody/animation.png", params=region).status_code == 422


def test_drivers_tell_their_parameters_and_which_a_request_may_set(client: Any) -> None:
    told = {driver["name"]: driver for driver in client.get("/api/v1/drivers").json()["drivers"]}
    assert sorted(told) == sorted(DRIVERS)
    assert told["city"]["moves_freely"]
    assert told["openttd"]["moves_freely"]
    assert not told["folder"]["moves_freely"]
    assert not told["x11"]["moves_freely"]
    for driver in told.values():
        assert set(driver["settable"]) <= driver["parameters"]["properties"].keys()
    assert "load" not in told["openttd"]["settable"]
    assert told["x11"]["settable"] == ["reach_px"]
    assert told["city"]["parameters"]["properties"]["water"]["maximum"] == 1


def test_a_job_takes_settable_parameters_and_refuses_others_by_name(client: Any, stores: Stores) -> None:
    asked = {"game_id": "city", "save_data_id": "set", "parameters": {"year": 3, "view": [320, 256]}}
    answer = client.post("/api/jobs", json=asked)
    assert answer.status_code == 503, "Dagster is down in these tests"
    survey = states.read(stores, answer.json()["error"]["details"]["survey_id"])
    assert (survey.spec.driver.parameters["year"], survey.spec.driver.parameters["paused"]) == (3, True)
    assert survey.view.width_px == 320
    for wrong, said in (
        ({"load": "/etc/passwd"}, "may not set load"),
        ({"year": 101}, "year"),
        ({"year": "soon"}, "year"),
    ):
        refused = client.post("/api/jobs", json=asked | {"parameters": wrong})
        assert (refused.status_code, said in refused.json()["error"]["message"]) == (400, True), refused.text


def test_surveys_are_paged_and_filtered_by_state(client: Any, stores: Stores, survey: Survey) -> None:
    made = [plan_survey(stores, city("pages"), Carrier.COMMAND_LINE).id for _ in range(5)]
    states.cancel(stores, made[2], "no more")
    query = {"game": "city", "save": "pages", "limit": 2}
    pages, after = [], None
    while True:
        told = client.get("/api/v1/surveys", params=query | ({"after": after} if after else {})).json()
        pages.append([one["id"] for one in told["surveys"]])
        after = told["next"]
        if after is None:
            break
    assert pages == [[made[4], made[3]], [made[2], made[1]], [made[0]]]
    cancelled = client.get(
        "/api/v1/surveys", params={"save": "pages", "game": "city", "state": ["cancelled", "failed"]}
    )
    assert [one["id"] for one in cancelled.json()["surveys"]] == [made[2]]
    assert client.get("/api/v1/surveys", params={"state": "lost"}).status_code == 422
    assert client.get("/api/v1/surveys", params={"after": "city-nobody-0001"}).status_code == 404
    assert client.get("/api/v1/surveys", params={"after": "x"}).status_code == 422


def test_runs_are_told_apart_from_dagster_being_down(client: Any, survey: Survey) -> None:
    answer = client.get(f"/api/v1/surveys/{survey.id}/runs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "DAGSTER_UNAVAILABLE")
    assert client.get("/api/v1/surveys/city-nobody-0001/runs").status_code == 404
