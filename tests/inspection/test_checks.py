"""Every check holds for a batch that is whole, and fails for what it is about."""

import pytest
from sqlalchemy import text

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import InvalidInput, NotReady
from imageflow_inspection.checks import check_batch
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.masters import create_product
from tests.inspection.lids import lid, lid_pipeline, published, taken


def broken(stores: Stores, batch: int) -> dict[str, str]:
    return {check.name: " ".join(check.faults) for check in check_batch(stores, batch) if not check.holds}


def test_a_whole_batch_passes_and_each_damage_fails_its_own_check(stores: Stores) -> None:
    published(stores)
    batch = taken(stores, "b1", [lid(), lid(spots=1), lid(spots=2)])
    with pytest.raises(NotReady):
        check_batch(stores, batch.id)
    inspect_batch(stores, batch.id)
    assert broken(stores, batch.id) == {}
    damages = {
        "items_present": "DELETE FROM item_results WHERE item = 'length' AND place = 1",
        "judge_known": "UPDATE pipelines SET digest = 'other'",
        "pictures_judged": "DELETE FROM picture_results WHERE place = 2",
    }
    seen = set()
    for name, damage in damages.items():
        with stores.database.begin() as connection:
            connection.execute(text(damage))
        seen.add(name)
        assert set(broken(stores, batch.id)) == seen
    with stores.database.begin() as connection:
        key = connection.execute(text("SELECT key FROM batch_pictures WHERE place = 0")).scalar_one()
    upload = keys.inspection_upload_file("lid", "b1", "p0000.png")
    stores.objects.put(upload, b"something else")
    stores.objects.put(key, b"something else")
    told = broken(stores, batch.id)
    assert told["checksums"] == (
        "'p0000.png' is not kept as it was taken in: upload this picture again under the same name, then inspect the "
        "batch again"
    )
    stores.objects.delete(key)
    assert broken(stores, batch.id) == told
    stores.objects.put(upload, lid())
    assert set(broken(stores, batch.id)) == seen
    assert stores.objects.get(key, next_step="") == lid(), "it was restored"


def test_text_that_no_database_keeps_is_refused_in_words(stores: Stores) -> None:
    for name in ("a\0b", "\ud800"):
        with pytest.raises(InvalidInput, match="no text"):
            create_product(stores, "lid", name)
        with pytest.raises(InvalidInput, match=r"no text|unicode"):
            publish_pipeline(stores, {**lid_pipeline(), "description": name})
