"""The tick of the sensor of map uploads says what became of each: surveys that began, and folders that were refused."""

import dagster as dg

from imageflow_assets.map.sensors import notice_map_uploads
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from tests.assets.runs import evaluate


def test_the_tick_names_a_refused_upload_with_the_reason(stores: Stores, instance: dg.DagsterInstance) -> None:
    stores.objects.put(keys.map_upload_file("refused", "tick", "monday", "r00_c00.png"), b"no picture")
    stores.objects.put(keys.map_upload_file("refused", "tick", "monday", keys.DONE_MARKER), b"")
    said = str(evaluate(notice_map_uploads, instance, stores).skip_message)
    assert "'uploads/maps/refused/tick/monday' began no survey: " in said
    assert "r00_c00.png" in said
    assert "refused/tick" not in str(evaluate(notice_map_uploads, instance, stores).skip_message), "once"
