"""Frames in no order become one survey a group, whose places are exact."""

import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import BadFrames, InvalidInput
from imageflow_domain.grid import Grid
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import Carrier, DriverSpec, Survey, SurveySpec, SurveyState
from imageflow_surveys import states
from imageflow_surveys.arrange import (
    ArrangedFrames,
    arrange_frames,
    of_another_size,
    plan_groups,
    positions_csv,
)
from imageflow_surveys.blocks import capture_blocks, register_blocks
from imageflow_surveys.ordered import is_unordered
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey
from imageflow_surveys.uploads import notice_uploads
from tests.mosaic.worlds import ROOT
from tests.surveys.cities import places_of

SMALL = ROOT / "examples" / "openttd-small"
WATER = ROOT / "tests" / "data" / "openttd-water"


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """60 files with names that mean nothing, some from elsewhere, some twice; and what each was called before."""
    folder = tmp_path_factory.mktemp("collection")
    ours, others = sorted(SMALL.glob("*.png")), sorted(WATER.glob("*.webp"))
    files = [*ours, *others[:18], *ours[3:9]]
    was = {}
    for path, number in zip(files, np.random.default_rng(2).permutation(len(files)), strict=True):
        name = f"Screenshot {number:03d}{path.suffix}"
        shutil.copyfile(path, folder / name)
        was[name] = f"{path.parent.name}/{path.name}"
    return folder, was


@pytest.fixture(scope="module")
def found(stores: Stores, collection: tuple[Path, dict[str, str]]) -> ArrangedFrames:
    return arrange_frames(stores, str(collection[0]), {}, ())


def _truth() -> dict[str, tuple[int, int]]:
    truth = {}
    for name in ("openttd-small", "openttd-water"):
        with (ROOT / "tests" / "data" / name / "truth.csv").open() as table:
            truth |= {f"{name}/{r['file']}": (int(r["true_x"]), int(r["true_y"])) for r in csv.DictReader(table)}
    return truth


def _spec(folder: Path, save: str, **changes: object) -> SurveySpec:
    spec = SurveySpec(game="collected", save=save, driver=DriverSpec(name="folder"), source=str(folder))
    return spec.model_copy(update=changes)


def _placed(stores: Stores, survey: Survey) -> Survey:
    capture_blocks(stores, survey, survey.blocks())
    register_blocks(stores, survey, survey.blocks())
    place_survey(stores, survey)
    return states.read(stores, survey.id)


def test_a_players_collection_becomes_surveys_whose_placed_frames_are_exact(
    stores: Stores, collection: tuple[Path, dict[str, str]], found: ArrangedFrames
) -> None:
    folder, was = collection
    surveys = plan_groups(stores, _spec(folder, "player"), found, Carrier.COMMAND_LINE)
    assert [survey.id for survey in surveys] == [f"collected-player-{n + 1:04d}" for n in range(len(surveys))]
    assert str(surveys[0].grid) == "6x6"
    truth = _truth()
    frames = set()
    for survey in surveys:
        assert survey.state is SurveyState.PLANNED
        placed = _placed(stores, survey)
        frames.add(placed.placed().frame.number)
        with stores.database.begin() as connection:
            files = {area.cell: area.file for area in rows.areas(connection, survey.id)}
        places = places_of(stores, placed)
        assert all(place.status is PlacementStatus.ANCHORED for place in places)
        off = {
            (p.x_px - truth[was[files[p.cell] or ""]][0], p.y_px - truth[was[files[p.cell] or ""]][1]) for p in places
        }
        assert len(off) == 1
    assert len(frames) == len(surveys), "groups must not pretend to know how they lie to one another"
    assert len(places_of(stores, surveys[0])) == 36


def test_every_frame_of_a_collection_is_accounted_for(
    collection: tuple[Path, dict[str, str]], found: ArrangedFrames
) -> None:
    folder, was = collection
    arrangement = found.arrangement
    grouped = [one.name for group in arrangement.groups for one in group.pictures]
    doubles = [double.name for double in arrangement.doubles]
    assert sorted([*grouped, *arrangement.strays, *doubles]) == sorted(path.name for path in folder.iterdir())
    assert all(was[double.name] == was[double.of] for double in arrangement.doubles if "small" in was[double.name])
    assert sum("small" in was[name] for name in doubles) == 6
    assert all("water" in was[name] for name in arrangement.strays)
    assert found.summary.startswith("Frames by group: 36, ")


def test_the_written_positions_make_the_same_survey_again(
    stores: Stores, collection: tuple[Path, dict[str, str]], found: ArrangedFrames, tmp_path: Path
) -> None:
    folder, _ = collection
    group = found.arrangement.groups[0]
    for one in group.pictures:
        shutil.copyfile(folder / one.name, tmp_path / one.name)
    (tmp_path / "positions.csv").write_bytes(positions_csv(group))
    spec = _spec(tmp_path, "again")
    assert not is_unordered(stores, spec)
    survey = plan_survey(stores, spec, Carrier.COMMAND_LINE)
    with stores.database.begin() as connection:
        areas = rows.areas(connection, survey.id)
    assert {(a.cell, a.position, a.file) for a in areas} == {(o.cell, o.position, o.name) for o in group.pictures}


def test_only_a_folder_that_says_nothing_about_order_is_unordered(
    stores: Stores, collection: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    spec = _spec(collection[0], "x")
    assert is_unordered(stores, spec)
    assert not is_unordered(stores, _spec(collection[0], "x", grid=Grid(rows=6, cols=6)))
    assert not is_unordered(stores, _spec(SMALL, "x"))
    assert not is_unordered(stores, _spec(collection[0], "x", driver=DriverSpec(name="city")))
    assert is_unordered(stores, _spec(SMALL, "x", driver=DriverSpec(name="folder", parameters={"unordered": True})))
    shutil.copyfile(next(SMALL.glob("*.png")), tmp_path / "r00_c00.png")
    shutil.copyfile(next(SMALL.glob("*.png")), tmp_path / "holiday.png")
    assert not is_unordered(stores, _spec(tmp_path, "x")), "a half-named folder is rather a mistake"


def test_a_damaged_file_is_named_and_can_be_left_out(stores: Stores, tmp_path: Path) -> None:
    for path in sorted(SMALL.glob("*.png"))[:4]:
        shutil.copyfile(path, tmp_path / f"shot of {path.name}")
    Image.new("RGB", (64, 48), (9, 9, 9)).save(tmp_path / "icon.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG but not really")
    with pytest.raises(BadFrames) as caught:
        arrange_frames(stores, str(tmp_path), {}, ())
    assert {bad.name for bad in caught.value.files} == {"broken.png"}
    found = arrange_frames(stores, str(tmp_path), {"skip_bad": True}, ())
    assert {bad.name for bad in found.left_out} == {"broken.png"}
    assert found.arrangement.strays == ("icon.png",)
    assert len(found.arrangement.groups[0].pictures) == 4


def test_a_group_of_two_sizes_is_surveyed_in_the_size_of_most_and_the_others_are_listed(
    stores: Stores, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted(SMALL.glob("*.png"))[:8]):
        with Image.open(path) as frame:
            whole = frame.convert("RGB")
        cut = whole.crop((100, 0, 900, 700)) if number in {2, 5} else whole
        cut.save(tmp_path / f"shot {number}.jpg", quality=90)
    found = arrange_frames(stores, str(tmp_path), {}, ())
    (group,) = found.arrangement.groups
    assert len(group.pictures) == 8
    assert {one.name for one in of_another_size(group)} == {"shot 2.jpg", "shot 5.jpg"}
    assert "2 have another size than their group" in found.summary
    (survey,) = plan_groups(stores, _spec(tmp_path, "sizes"), found, Carrier.COMMAND_LINE)
    assert (survey.view.width_px, survey.view.height_px) == (1024, 768)
    places = places_of(stores, _placed(stores, survey))
    assert len(places) == 6


def test_each_group_is_surveyed_in_its_own_size(stores: Stores, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(SMALL.glob("*.png"))[:4]):
        shutil.copyfile(path, tmp_path / f"one {number}.png")
    for number, path in enumerate(sorted(WATER.glob("r05_c0[1-3].webp"))):
        with Image.open(path) as frame:
            frame.convert("RGB").crop((0, 40, 1024, 720)).save(tmp_path / f"two {number}.png")
    found = arrange_frames(stores, str(tmp_path), {}, ())
    surveys = plan_groups(stores, _spec(tmp_path, "apart"), found, Carrier.COMMAND_LINE)
    assert [(s.view.width_px, s.view.height_px) for s in surveys] == [(1024, 768), (1024, 680)]
    assert [len(places_of(stores, _placed(stores, survey))) for survey in surveys] == [4, 3]


def test_frames_that_overlap_nowhere_begin_no_survey(stores: Stores, tmp_path: Path) -> None:
    for path in (SMALL / "r00_c00.png", SMALL / "r05_c05.png"):
        shutil.copyfile(path, tmp_path / f"my {path.name}")
    found = arrange_frames(stores, str(tmp_path), {}, ())
    with pytest.raises(InvalidInput, match="No two of the frames overlap"):
        plan_groups(stores, _spec(tmp_path, "alone"), found, Carrier.COMMAND_LINE)
    with stores.database.begin() as connection:
        assert rows.find(connection, game="collected", save="alone") == ()


def test_too_many_frames_for_a_sensor_are_refused_before_any_is_read(stores: Stores, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"shot {number}.png").write_bytes(b"")
    with pytest.raises(InvalidInput, match="holds 5 frames in no order; no more than 4"):
        arrange_frames(stores, str(tmp_path), {}, (), most=4)


def test_positions_are_written_as_the_folder_driver_reads_them(found: ArrangedFrames) -> None:
    table = list(csv.DictReader(io.StringIO(positions_csv(found.arrangement.groups[0]).decode())))
    assert list(table[0]) == ["file", "row", "col", "x", "y"]
    assert min(int(row["x"]) for row in table) == min(int(row["y"]) for row in table) == 0


def test_an_uploaded_folder_in_no_order_begins_a_survey_for_each_group_once(stores: Stores) -> None:
    for number, name in enumerate(("r00_c00", "r05_c04", "r00_c01", "r05_c05", "r02_c02", "r01_c00")):
        key = keys.map_upload_file("collected", "uploaded", "batch", f"shot {number}.png")
        stores.objects.put(key, (SMALL / f"{name}.png").read_bytes())
    stores.objects.put(keys.map_upload_file("collected", "uploaded", "batch", keys.DONE_MARKER), b"")
    noticed = [notice for notice in notice_uploads(stores) if notice.folder.save == "uploaded"]
    begun = [notice.survey for notice in noticed if notice.survey is not None]
    assert [survey.id for survey in begun] == ["collected-uploaded-0001", "collected-uploaded-0002"]
    assert all((s.carrier, s.state) == (Carrier.SENSOR, SurveyState.PLANNED) for s in begun)
    with stores.database.begin() as connection:
        files = [{area.file for area in rows.areas(connection, survey.id)} for survey in begun]
    assert files == [{"shot 0.png", "shot 2.png", "shot 5.png"}, {"shot 1.png", "shot 3.png"}]
    assert [notice for notice in notice_uploads(stores) if notice.folder.save == "uploaded"] == []
