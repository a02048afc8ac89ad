"""Areas, blocks, screenshots and seams: what overlays and the trust page are drawn from."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imageflow_clients.database.maps import placements, schema
from imageflow_clients.stores import Stores
from imageflow_domain.grid import Cell
from imageflow_domain.survey import Carrier, Survey
from imageflow_surveys.blocks import capture_blocks
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.shots import shots_of
from tests.gateway.conftest import city


def _pixels(data: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_areas_are_where_the_screenshots_were_placed(client: Any, stores: Stores, survey: Survey) -> None:
    told = client.get(f"/api/v1/surveys/{survey.id}/areas").json()
    with stores.database.begin() as connection:
        places = placements.placements(connection, survey.id)
    assert told["placed"]
    assert told["view"] == {"width_px": 640, "height_px": 512}
    assert list(zip(told["row"], told["col"], told["x"], told["y"], strict=True)) == [
        (p.cell.row, p.cell.col, p.x_px, p.y_px) for p in places
    ]
    assert [told["statuses"][number] for number in told["status"]] == [p.status for p in places]
    assert told["confidence"] == pytest.approx([p.confidence for p in places], abs=1e-4)
    assert told["kept"] == [True] * 12


def test_areas_of_a_survey_that_is_not_placed_are_where_they_are_commanded(client: Any, stores: Stores) -> None:
    planned = plan_survey(stores, city("unplaced"), Carrier.COMMAND_LINE)
    told = client.get(f"/api/v1/surveys/{planned.id}/areas").json()
    assert not told["placed"]
    assert {told["statuses"][number] for number in told["status"]} == {"planned"}
    assert (told["x"][:3], told["y"][:3]) == ([0, 512, 1024], [0, 0, 0])
    assert told["kept"] == [False] * 12
    assert client.get(f"/api/v1/surveys/{planned.id}/trust").json()["error"]["code"] == "NOT_READY"
    blocks = client.get(f"/api/v1/surveys/{planned.id}/blocks").json()
    assert (blocks["placed"], [b["key"] for b in blocks["blocks"]]) == (False, ["r00c00"])
    assert {layer["state"] for layer in blocks["blocks"][0]["layers"]} == {"missing"}


def test_blocks_lie_where_their_pictures_do(client: Any, stores: Stores, survey: Survey) -> None:
    told = client.get(f"/api/v1/surveys/{survey.id}/blocks").json()
    assert told["placed"]
    (block,) = told["blocks"]
    assert [(layer["layer"], layer["state"]) for layer in block["layers"]] == [
        ("screenshots", "done"),
        ("pair_offsets", "done"),
        ("tiles", "done"),
    ]
    assert all(layer["at"] and layer["run_id"] is None for layer in block["layers"])
    bounds, drift_px = survey.published().bounds, 8
    for name, value in bounds.model_dump().items():
        assert abs(block["bounds"][name] - value) <= 2 * drift_px


def test_a_screenshot_is_the_one_that_was_taken_and_shrinks_to_a_thumbnail(
    client: Any, stores: Stores, survey: Survey
) -> None:
    address = f"/api/v1/surveys/{survey.id}/screenshots/1/2.webp"
    whole = client.get(address)
    taken = shots_of(stores, survey).load(Cell(row=1, col=2))
    np.testing.assert_array_equal(_pixels(whole.content), taken)
    assert client.get(address, headers={"if-none-match": whole.headers["etag"]}).status_code == 304
    small = client.get(address, params={"width": 160})
    assert small.headers["etag"] != whole.headers["etag"]
    assert _pixels(small.content).shape == (128, 160, 3)
    mean = taken.reshape(128, 4, 160, 4, 3).mean(axis=(1, 3))
    assert np.abs(_pixels(small.content) - mean).mean() < 8
    np.testing.assert_array_equal(_pixels(client.get(address, params={"width": 2000}).content), taken)


def test_a_seam_shows_the_same_from_both_sides(client: Any, survey: Survey) -> None:
    there = client.get(f"/api/v1/surveys/{survey.id}/seams/0/0/0/1.webp")
    back = client.get(f"/api/v1/surveys/{survey.id}/seams/0/1/0/0.webp")
    np.testing.assert_array_equal(_pixels(there.content), _pixels(back.content))
    assert _pixels(there.content).shape[1] < 200
    apart = client.get(f"/api/v1/surveys/{survey.id}/seams/0/0/2/3.webp")
    assert (apart.status_code, "do not overlap" in apart.json()["error"]["message"]) == (404, True)


def test_what_is_not_there_is_told_apart(client: Any, stores: Stores, make_survey: Any) -> None:
    gone = make_survey(stores, "thrown")
    with stores.database.begin() as connection:
        table = schema.screenshots
        connection.execute(table.delete().where(table.c.survey_id == gone.id, table.c.row == 0, table.c.col == 0))
    answers = {
        name: client.get(f"/api/v1/surveys/{survey}/{rest}.webp")
        for name, survey, rest in (
            ("deleted", gone.id, "screenshots/0/0"),
            ("deleted seam", gone.id, "seams/0/0/0/1"),
            ("no such area", gone.id, "screenshots/0/9"),
            ("no such survey", "city-nobody-0001", "screenshots/0/0"),
            ("no row", gone.id, "screenshots/1000/0"),
            ("no number", gone.id, "screenshots/a/0"),
        )
    }
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "deleted": 410,
        "deleted seam": 410,
        "no such area": 404,
        "no such survey": 404,
        "no row": 422,
        "no number": 422,
    }
    assert "was deleted once its tiles were made" in answers["deleted"].json()["error"]["message"]
    unfinished = plan_survey(stores, city("waits"), Carrier.COMMAND_LINE)
    waiting = client.get(f"/api/v1/surveys/{unfinished.id}/screenshots/0/0.webp")
    assert (waiting.status_code, "not been taken yet" in waiting.json()["error"]["message"]) == (404, True)
    capture_blocks(stores, unfinished, unfinished.blocks())
    assert client.get(f"/api/v1/surveys/{unfinished.id}/screenshots/0/0.webp").status_code == 200
    areas = client.get(f"/api/v1/surveys/{gone.id}/areas").json()
    assert areas["kept"] == [False] + [True] * 11


@pytest.mark.parametrize("width", [0, 15, 2049, -1, "wide"])
def test_a_thumbnail_s_width_has_bounds(client: Any, survey: Survey, width: Any) -> None:
    assert client.get(f"/api/v1/surveys/{survey.id}/screenshots/0/0.webp", params={"width": width}).status_code == 422
