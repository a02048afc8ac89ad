"""The checks of the fault tests detect damage, loss and leftovers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.wholeness import Shown, faults_of, leftovers_of, shown_by
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain import keys
from imageflow_domain.grid import Cell, Grid
from imageflow_domain.survey import Carrier, DriverSpec, Encoding, Keep, Survey, SurveySpec, SurveyState
from imageflow_surveys import states
from imageflow_surveys.blocks import capture_blocks, cut_blocks, register_blocks
from imageflow_surveys.clean_up import clean_up
from imageflow_surveys.overview import make_overviews
from imageflow_surveys.place import place_survey
from imageflow_surveys.plan import plan_survey

_SPEC = SurveySpec(
    game="city",
    save="whole",
    driver=DriverSpec(name="city", parameters={"view": [320, 256], "drift_px": 8, "paused": True}),
    grid=Grid(rows=3, cols=3),
    keep=Keep.KEEP,
    encoding=Encoding(lossless_method=0),
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    yield opened
    opened.database.close()


@pytest.fixture
def survey(stores: Stores) -> Survey:
    planned = plan_survey(stores, _SPEC, Carrier.OPERATOR)
    capture_blocks(stores, planned, planned.blocks())
    register_blocks(stores, planned, planned.blocks())
    place_survey(stores, planned)
    cut_blocks(stores, states.read(stores, planned.id), planned.blocks())
    make_overviews(stores, states.read(stores, planned.id))
    clean_up(stores, states.read(stores, planned.id))
    assert states.settle(stores, states.read(stores, planned.id), None, None, SurveyState.COMPLETED)
    return states.read(stores, planned.id)


def test_a_whole_survey_has_no_faults_and_leaves_nothing(stores: Stores, settings: Settings, survey: Survey) -> None:
    assert list(faults_of(stores, survey, shown_by(stores, survey))) == []
    assert list(leftovers_of(stores, settings, survey)) == []


def test_loss_and_damage_are_told(stores: Stores, survey: Survey) -> None:
    whole = shown_by(stores, survey)
    shot = keys.screenshot(survey.id, Cell(row=0, col=0))
    stores.objects.put(shot, stores.objects.get(keys.screenshot(survey.id, Cell(row=0, col=1)), next_step=""))
    assert list(faults_of(stores, survey, whole)) == [f"'{shot}' is not the screenshot that its row says"]
    stores.objects.put(shot, stores.objects.get(shot, next_step="")[:-100])
    assert any(f"'{shot}' is not whole" in fault for fault in faults_of(stores, survey, whole))
    stores.objects.delete(shot)
    assert list(faults_of(stores, survey, whole)) == [f"a row names '{shot}', which is not there"]


def test_another_map_is_told(stores: Stores, survey: Survey) -> None:
    whole = shown_by(stores, survey)
    address = max(whole.tiles)
    other = Shown(tiles={**whole.tiles, address: b""}, record={**whole.record, "offsets": []})
    assert list(faults_of(stores, survey, other)) == [
        "the sealed record is not the undisturbed survey's",
        f"tile {address} is not the undisturbed survey's",
    ]


def test_what_nobody_names_is_told_and_what_was_half_written_is_swept(
    stores: Stores, settings: Settings, survey: Survey
) -> None:
    stores.objects.put("tiles/00/stray.webp", b"?")
    half = settings.home_path / "objects" / "tiles" / "00" / "half.webp#1"
    half.write_bytes(b"?")
    assert list(leftovers_of(stores, settings, survey)) == [
        "'tiles/00/stray.webp' is left, which no row names",
        "'tiles/00/stray.webp' is left of a deleted survey",
    ]
    assert not half.exists()
