"""An uploaded folder begins one survey, once, when its last file closes it."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select

from imageflow_clients.database.maps import schema, uploads
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.survey import Carrier, SurveyState
from imageflow_surveys.uploads import Noticed, closed_folders, notice_uploads
from tests.surveys.cities import carried, city, driver_of_city

SPEC = city("source", seed=51, drift_px=0)


@pytest.fixture(scope="module")
def frames() -> dict[str, bytes]:
    """The pictures of a city, by their cells' names."""
    pictures = {}
    with driver_of_city(SPEC) as driver:
        for area in driver.areas(SPEC.grid):
            data = BytesIO()
            Image.fromarray(driver.grab(area).picture).save(data, "PNG")
            pictures[f"{area.cell}.png"] = data.getvalue()
    return pictures


def _positions(jitter_px: int = 0) -> bytes:
    lines = ["file,row,col,x,y"]
    for area in driver_of_city(SPEC).areas(SPEC.grid):
        assert area.position is not None
        x, y = area.position.x_px + jitter_px, area.position.y_px
        lines.append(f"{area.cell}.png,{area.cell.row},{area.cell.col},{x},{y}")
    return "\n".join(lines).encode()


def _put(stores: Stores, save: str, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        stores.objects.put(keys.map_upload_file("uploaded", save, "batch", name), data)
    return keys.map_upload("uploaded", save, "batch")


def _notice(stores: Stores, save: str) -> Iterator[Noticed]:
    return (notice for notice in notice_uploads(stores) if notice.folder.save == save)


def _surveys(stores: Stores, save: str) -> list[str]:
    with stores.database.begin() as connection:
        return [survey.id for survey in rows.find(connection, game="uploaded", save=save)]


@pytest.mark.parametrize("closing", [keys.POSITIONS_FILE, keys.DONE_MARKER])
def test_a_closed_folder_begins_one_survey_that_the_sensor_carries(
    stores: Stores, frames: dict[str, bytes], closing: str
) -> None:
    save = closing.strip("_").split(".")[0].lower()
    content = _positions() if closing == keys.POSITIONS_FILE else b""
    prefix = _put(stores, save, {**frames, closing: content})
    (notice,) = _notice(stores, save)
    assert notice.survey is not None
    assert (notice.folder.prefix, notice.reason) == (prefix, None)
    assert notice.survey.id == f"uploaded-{save}-0001"
    assert notice.survey.spec.source == prefix
    assert (notice.survey.carrier, notice.survey.state) == (Carrier.SENSOR, SurveyState.PLANNED)
    assert list(_notice(stores, save)) == []
    assert _surveys(stores, save) == [notice.survey.id]


def test_a_folder_from_a_mac_or_a_windows_machine_is_surveyed_and_what_is_skipped_is_listed(
    stores: Stores, frames: dict[str, bytes]
) -> None:
    prefix = _put(stores, "clutter", frames)
    for name in ("._r00_c00.png", ".DS_Store", "Thumbs.db", "r00_c00.xmp", "r00_c09.png.part"):
        stores.objects.put(f"{prefix}/{name}", b"-")
    _put(stores, "clutter", {keys.DONE_MARKER: b""})
    (notice,) = _notice(stores, "clutter")
    assert notice.survey is not None
    assert {file.name: file.reason for file in notice.skipped} == {
        "._r00_c00.png": "a hidden file",
        ".DS_Store": "a hidden file",
        "Thumbs.db": "a file of the system's own",
        "r00_c00.xmp": "a note or a sidecar",
        "r00_c09.png.part": "an unfinished or temporary file",
    }
    table = schema.uploads
    with stores.database.begin() as connection:
        (noted,) = connection.execute(select(table).where(table.c.prefix == prefix)).all()
    assert "._r00_c00.png (a hidden file)" in noted.reason


def test_an_uploaded_survey_goes_from_the_store_to_its_map(stores: Stores, frames: dict[str, bytes]) -> None:
    _put(stores, "to_the_map", {**frames, keys.POSITIONS_FILE: _positions()})
    (notice,) = _notice(stores, "to_the_map")
    assert notice.survey is not None
    assert carried(stores, notice.survey).is_published


def test_a_folder_that_is_not_closed_begins_nothing(stores: Stores, frames: dict[str, bytes]) -> None:
    prefix = _put(stores, "open", frames)
    assert list(_notice(stores, "open")) == []
    assert prefix not in {folder.prefix for folder in closed_folders(stores)}
    assert _surveys(stores, "open") == []


def test_bad_frames_begin_no_survey_and_the_reason_is_noted_once(stores: Stores, frames: dict[str, bytes]) -> None:
    bad = {**frames, "r01_c01.png": b"not a picture", keys.DONE_MARKER: b""}
    prefix = _put(stores, "bad", bad)
    (notice,) = _notice(stores, "bad")
    assert notice.survey is None
    assert notice.reason is not None
    assert "r01_c01.png" in notice.reason
    assert _surveys(stores, "bad") == []
    table = schema.uploads
    with stores.database.begin() as connection:
        (noted,) = connection.execute(select(table).where(table.c.prefix == prefix)).all()
    assert (noted.survey_id, noted.reason) == (None, notice.reason)
    assert list(_notice(stores, "bad")) == []


def test_a_folder_that_is_too_large_is_noted_and_holds_up_no_other(stores: Stores, frames: dict[str, bytes]) -> None:
    picture = frames["r00_c00.png"]
    listed = b"file,row,col,x,y\nr00_c00.png,0,0,0,0\nr1001_c1.png,1001,1,20000,20000\n"
    wide = {"r00_c00.png": picture, "r1001_c1.png": picture, keys.POSITIONS_FILE: listed}
    _put(stores, "too_large", wide)
    _put(stores, "too_large_after", {**frames, keys.POSITIONS_FILE: _positions()})
    noticed = {notice.folder.save: notice for notice in notice_uploads(stores)}
    assert noticed["too_large"].survey is None
    assert "row 1001 is not between 0 and 999" in str(noticed["too_large"].reason)
    assert noticed["too_large_after"].survey is not None


def test_a_folder_whose_name_no_key_can_hold_is_noted_and_holds_up_no_other(
    stores: Stores, home: Path, frames: dict[str, bytes]
) -> None:
    folder = home / "objects" / keys.map_upload("uploaded", "odd_name", "batch").replace("batch", "ba\\tch")
    folder.mkdir(parents=True)
    (folder / keys.DONE_MARKER).write_bytes(b"")
    _put(stores, "odd_name_after", {**frames, keys.POSITIONS_FILE: _positions()})
    noticed = {notice.folder.save: notice for notice in notice_uploads(stores)}
    assert noticed["odd_name"].survey is None
    assert "not a valid object key" in str(noticed["odd_name"].reason)
    assert noticed["odd_name_after"].survey is not None
    assert list(_notice(stores, "odd_name")) == []


def test_the_same_folder_closed_by_another_file_later_begins_another_survey(
    stores: Stores, frames: dict[str, bytes]
) -> None:
    _put(stores, "later", {**frames, keys.POSITIONS_FILE: _positions()})
    assert len(list(_notice(stores, "later"))) == 1
    _put(stores, "later", {keys.POSITIONS_FILE: _positions(jitter_px=3)})
    (second,) = _notice(stores, "later")
    assert second.survey is not None
    assert second.survey.id == "uploaded-later-0002"
    assert list(_notice(stores, "later")) == []


def test_a_mended_folder_that_is_closed_again_begins_its_survey(stores: Stores, frames: dict[str, bytes]) -> None:
    _put(stores, "mended", {**frames, "r02_c02.png": b"", keys.POSITIONS_FILE: _positions()})
    (refused,) = _notice(stores, "mended")
    assert refused.survey is None
    _put(stores, "mended", {"r02_c02.png": frames["r02_c02.png"], keys.POSITIONS_FILE: _positions(jitter_px=1)})
    (begun,) = _notice(stores, "mended")
    assert begun.survey is not None


@pytest.mark.parametrize("folder", ["Not A Name/save/batch", "game/Not A Name", "alone"])
def test_a_folder_below_no_game_and_save_is_refused_once(stores: Stores, folder: str) -> None:
    prefix = f"{keys.MAP_UPLOADS}/{folder}"
    stores.objects.put(f"{prefix}/_DONE", b"")
    (notice,) = [notice for notice in notice_uploads(stores) if notice.folder.prefix == prefix]
    assert notice.survey is None
    assert "is not a valid name" in str(notice.reason)
    assert f"Upload it to {keys.MAP_UPLOADS}/GAME/SAVE/NAME/." in str(notice.reason)
    assert [notice for notice in notice_uploads(stores) if notice.folder.prefix == prefix] == []


def _refused(stores: Stores) -> dict[str, str]:
    with stores.database.begin() as connection:
        return {each.prefix: each.reason for each in uploads.refused(connection, limit=1_000)}


def test_a_refused_folder_is_listed_until_it_is_mended(stores: Stores, frames: dict[str, bytes]) -> None:
    prefix = _put(stores, "listed", {**frames, "r02_c02.png": b"", keys.POSITIONS_FILE: _positions()})
    (refused,) = _notice(stores, "listed")
    assert _refused(stores)[prefix] == refused.reason
    _put(stores, "listed", {"r02_c02.png": frames["r02_c02.png"], keys.POSITIONS_FILE: _positions(jitter_px=1)})
    assert len(list(_notice(stores, "listed"))) == 1
    assert prefix not in _refused(stores)
