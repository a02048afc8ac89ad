"""The tick of the sensor of map uploads says what became of each: surveys that began, and folders that were refused."""

from pathlib import Path

import dagster as dg
from PIL import Image

from imageflow_assets.map.partitions import SURVEYS
from imageflow_assets.map.sensors import notice_map_uploads
from imageflow_assets.map.states import map_uploads
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from tests.assets.runs import evaluate, shown_states
from tests.surveys.cities import city, driver_of_city


def test_the_tick_names_a_refused_upload_with_the_reason(stores: Stores, instance: dg.DagsterInstance) -> None:
    stores.objects.put(keys.map_upload_file("refused", "tick", "monday", "r00_c00.png"), b"no picture")
    stores.objects.put(keys.map_upload_file("refused", "tick", "monday", keys.DONE_MARKER), b"")
    said = str(evaluate(notice_map_uploads, instance, stores).skip_message)
    assert "'uploads/maps/refused/tick/monday' began no survey: " in said
    assert "r00_c00.png" in said
    assert "refused/tick" not in str(evaluate(notice_map_uploads, instance, stores).skip_message), "once"


def test_each_closed_folder_is_an_event_and_its_survey_is_shown_as_planned(
    stores: Stores, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    spec = city("source", seed=51, drift_px=0)
    with driver_of_city(spec) as driver:
        for area in driver.areas(spec.grid):
            frame = tmp_path / f"{area.cell}.png"
            Image.fromarray(driver.grab(area).picture).save(frame)
            stores.objects.put(keys.map_upload_file("shown", "tick", "monday", frame.name), frame.read_bytes())
    stores.objects.put(keys.map_upload_file("shown", "tick", "monday", keys.DONE_MARKER), b"")
    evaluate(notice_map_uploads, instance, stores)
    (observed,) = [
        record.asset_observation.metadata
        for record in instance.fetch_observations(map_uploads.key, limit=10).records
        if record.asset_observation is not None
        and record.asset_observation.metadata["folder"].value == "uploads/maps/shown/tick/monday"
    ]
    survey = str(observed["survey"].value)
    assert instance.has_dynamic_partition(str(SURVEYS.name), survey)
    assert shown_states(instance, survey) == ["planned"]
