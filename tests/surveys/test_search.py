"""Screenshots of a survey that lie far from where they are believed to are found, reported, and stored with why."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import update

from imageflow_assets.map import metadata as shown
from imageflow_clients.database.maps import placements, schema
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NothingAnchored
from imageflow_domain.grid import Cell
from imageflow_domain.placement import PlacementStatus
from imageflow_domain.survey import DriverSpec, Encoding, Keep, Survey, SurveySpec
from imageflow_surveys import states, trust
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.place import place_survey
from imageflow_surveys.trust_report import trust_report
from tests.mosaic.worlds import ROOT, real
from tests.surveys.cities import city, count_anchored, places_of, published, registered

EDGE = (320, -160)
"""How far the last row is believed to lie from where it does."""


def _folder(folder: Path, rows: Mapping[str, tuple[Cell, int, int]]) -> Path:
    lines = [f"{file},{cell.row},{cell.col},{x},{y}" for file, (cell, x, y) in rows.items()]
    (folder / "positions.csv").write_text("\n".join(["file,row,col,x,y", *lines]))
    return folder


def _spec(folder: Path, save: str) -> SurveySpec:
    return SurveySpec(
        game="folder",
        save=save,
        driver=DriverSpec(name="folder", parameters={}),
        source=str(folder),
        encoding=Encoding(lossless_method=0),
    )


@pytest.fixture(scope="module")
def edge(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Nine real frames in a folder, the last row of which the world's edge stopped."""
    folder = tmp_path_factory.mktemp("edge")
    rows = {}
    for area in real("openttd-keys", "nominal").areas:
        if area.cell.row < 3 and area.cell.col < 3 and area.position is not None:
            file = f"r{area.cell.row:02d}_c{area.cell.col:02d}.webp"
            shutil.copy(ROOT / "tests" / "data" / "openttd-keys" / file, folder / file)
            dx, dy = EDGE if area.cell.row == 2 else (0, 0)
            rows[file] = (area.cell, round(area.position.x_px) + dx, round(area.position.y_px) + dy)
    return registered(stores, _spec(_folder(folder, rows), "edge"))


def test_a_row_that_the_worlds_edge_stopped_is_found_and_reported_with_numbers(stores: Stores, edge: Survey) -> None:
    result = place_survey(stores, edge)
    truth = real("openttd-keys", "nominal").truth
    assert count_anchored(result.placements) == 9
    assert len({(p.x_px - truth[p.cell][0], p.y_px - truth[p.cell][1]) for p in result.placements}) == 1
    off = {p.cell: p.found_off for p in places_of(stores, edge) if p.found_off is not None}
    assert set(off) == {Cell(row=2, col=col) for col in range(3)}
    assert all(abs(one.dx_px + EDGE[0]) <= 64 and abs(one.dy_px + EDGE[1]) <= 64 for one in off.values())

    finding = trust.positions_hold(stores, states.read(stores, edge.id))
    assert (finding.holds, finding.screenshots) == (False, 9)
    assert f"3 of 9 screenshots were searched for and found up to {finding.farthest_px} px" in finding.text
    assert [line.partition(":")[0] for line in finding.offenders] == [f"r02_c{col:02d}" for col in _by_distance(off)]
    assert finding in trust_report(stores, states.read(stores, edge.id)).findings
    told = shown.placed(result, 1.0)
    assert (told["searched_for"].value, told["found_by_search"].value, told["not_searched_for"].value) == (3, 3, 0)
    for look in (trust.loops_close, trust.mostly_anchored, trust.one_group, trust.decisive_offsets_kept):
        assert look(stores, edge).holds


def _by_distance(off: Mapping[Cell, object]) -> list[int]:
    distances = {cell.col: max(abs(one.dx_px), abs(one.dy_px)) for cell, one in off.items()}  # type: ignore[attr-defined]
    return sorted(distances, key=lambda col: (-distances[col], col))


def test_placing_again_searches_again_and_finds_the_same(stores: Stores, edge: Survey) -> None:
    def stored() -> tuple[object, object]:
        with stores.database.begin() as connection:
            return placements.offsets(connection, edge.id), placements.placements(connection, edge.id)

    first = place_survey(stores, states.read(stores, edge.id))
    before = stored()
    again = place_survey(stores, states.read(stores, edge.id))
    assert (again.placements, again.searched, again.mosaic) == (first.placements, first.searched, first.mosaic)
    assert stored() == before
    with stores.database.begin() as connection:
        every = placements.offsets(connection, edge.id)
        between = placements.offsets(connection, edge.id, searched=False)
    found = {(pair.reference, pair.moving, pair.offset) for pair in first.searched.offsets}
    assert {(p.reference, p.moving, p.offset) for p in every if p not in between} == found
    assert all(p.was_searched == (p not in between) for p in every)


def test_a_survey_whose_screenshots_all_lie_where_believed_is_not_searched(stores: Stores) -> None:
    survey = published(stores, city("as_believed", grid="2x2"))
    finding = trust.positions_hold(stores, survey)
    assert finding.holds
    assert finding.text == "0 of 4 screenshots were searched for and found elsewhere than believed."


def test_a_survey_of_which_nothing_is_anchored_has_no_map_and_says_why(stores: Stores, tmp_path: Path) -> None:
    rows = {}
    for col in range(3):
        noise = np.random.default_rng(col).integers(0, 256, (128, 160, 3)).astype(np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{col}.png")
        rows[f"{col}.png"] = (Cell(row=0, col=col), 100 * col, 0)
    survey = registered(stores, _spec(_folder(tmp_path, rows), "nothing"))
    with pytest.raises(NothingAnchored, match=r"No two of the 3 screenshots of 'folder-nothing-0001'.*are kept"):
        place_survey(stores, survey)
    assert states.read(stores, survey.id).mosaic is None


def test_screenshots_are_kept_where_too_few_are_anchored_whatever_was_asked(stores: Stores) -> None:
    survey = published(stores, city("doubtful", keep=Keep.DELETE))
    table = schema.coordinates
    with stores.database.begin() as connection:
        connection.execute(
            update(table)
            .where(table.c.survey_id == survey.id, table.c.row == 0)
            .values(status=PlacementStatus.AMBIGUOUS)
        )
    cleaned = clean_up(stores, survey)
    assert (cleaned.kept, cleaned.deleted) == (9, 0)
    assert cleaned.why_kept is not None
    assert cleaned.why_kept.startswith("67% of 9 screenshots are anchored; 90% are wanted.")
    assert shown.cleaned(cleaned, 1.0)["kept_because"].value == cleaned.why_kept
