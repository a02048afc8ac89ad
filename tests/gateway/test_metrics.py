"""What Prometheus scrapes, read by its own parser."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import update

from imageflow_clients.database.core import backups
from imageflow_clients.database.core.backups import BackupKind
from imageflow_clients.database.inspection import batches
from imageflow_clients.database.inspection import schema as inspection
from imageflow_clients.database.maps import schema as maps
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores, open_stores
from imageflow_domain.survey import Carrier
from imageflow_edge.work import read_work
from imageflow_gateway.metrics import RequestMetrics, work_text
from imageflow_surveys.plan import plan_survey
from tests.surveys.cities import captured, city, published


@pytest.fixture
def empty_stores(tmp_path: Path, databases: Callable[[], SecretStr]) -> Iterator[Stores]:
    """Empty ones."""
    opened = open_stores(Settings(home=tmp_path, database_url=databases()))
    with opened.database:
        yield opened


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Return each sample by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_blocks_wait_for_the_pool_of_their_next_layer(empty_stores: Stores) -> None:
    plan_survey(empty_stores, city("planned", grid="4x4", block_side=2), Carrier.SENSOR)
    captured(empty_stores, spec := city("captured", grid="4x4", block_side=2))
    published(empty_stores, city("done", grid="2x2"))
    plan_survey(empty_stores, spec.model_copy(update={"save": "asleep"}), Carrier.OPERATOR)
    with empty_stores.database.begin() as connection:
        for save, state in (("captured", "running"), ("done", "completed")):
            connection.execute(update(maps.surveys).where(maps.surveys.c.save == save).values(state=state))
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        connection.execute(update(maps.surveys).where(maps.surveys.c.save == "planned").values(created_at=hour_ago))
    waiting = read_work(empty_stores).waiting
    assert {pool: each.units for pool, each in waiting.items()} == {
        "capture": 4,
        "coords": 4,
        "tiles": 0,
        "inspection": 0,
    }
    assert waiting["capture"].oldest_s == pytest.approx(3600, abs=120)
    assert 0 < waiting["coords"].oldest_s < 600
    assert waiting["tiles"].oldest_s == 0


def test_batches_and_backups_have_their_ages(empty_stores: Stores) -> None:
    assert read_work(empty_stores).backup_ages_s == {}
    ago = datetime.now(UTC) - timedelta(hours=2)
    with empty_stores.database.begin() as connection:
        connection.execute(inspection.products.insert().values(code="part", name="Part"))
        for number, pictures in enumerate((5, 7)):
            upload = batches.Upload(
                product="part", name=f"b{number}", folder=f"f{number}", listing="d", pictures=pictures, bytes=1
            )
            batches.add_version(connection, upload)
        connection.execute(update(inspection.batches).where(inspection.batches.c.name == "b0").values(closed_at=ago))
        backups.record(connection, BackupKind.DATABASE, 5)
        backups.record(connection, BackupKind.DATABASE, 6)
        backups.record(connection, BackupKind.OBJECTS, 7)
    work = read_work(empty_stores)
    assert (work.waiting["inspection"].units, work.waiting["inspection"].images) == (2, 12)
    assert work.waiting["inspection"].oldest_s == pytest.approx(7200, abs=120)
    assert set(work.backup_ages_s) == {BackupKind.DATABASE, BackupKind.OBJECTS}
    found = samples(work_text(work, {"tiles": 2}))
    assert found["imageflow_waiting_images", "inspection"] == 12
    assert found["imageflow_pool_slots", "tiles"] == 2
    assert 0 <= found["imageflow_backup_age_seconds", "database"] < 120
    assert found["imageflow_database_up",] == 1


def test_without_a_database_the_other_metrics_are_there() -> None:
    found = samples(work_text(None, {"tiles": 2}))
    assert found == {("imageflow_database_up",): 0, ("imageflow_pool_slots", "tiles"): 2}


def test_requests_are_counted_and_no_label_is_what_a_client_sends() -> None:
    requests = RequestMetrics()
    requests.answered("GET", 200, 0.01)
    requests.answered("GET", 200, 0.03)
    requests.answered("EVIL", 405, 0.01)
    found = samples(requests.text())
    assert found["imageflow_requests_total", "GET", "200"] == 2
    assert found["imageflow_requests_total", "other", "405"] == 1
    assert found["imageflow_request_seconds_count",] == 3
    assert found["imageflow_request_seconds_bucket", "0.02"] == 2
    assert not any("EVIL" in "".join(key) for key in found)


def test_the_gateway_serves_them(client: Any) -> None:
    client.get("/api/v1/surveys/none-such-0001")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.content)
    assert found["imageflow_database_up",] == 1
    assert found["imageflow_requests_total", "GET", "404"] >= 1
    assert found["process_resident_memory_bytes",] > 0
    assert ("imageflow_waiting_units", "capture") in found
    assert "none-such" not in answer.text
