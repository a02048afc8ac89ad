"""Batches whose rules changed are told a few at a time, each once, wherever a call stops."""

import pytest

from imageflow_clients.stores import Stores
from imageflow_inspection.changed_rules import ReportedRules, RuleChanges, changed_rules
from imageflow_inspection.inspect_batch import inspect_batch
from tests.inspection.lids import items, lid, next_master, published, taken


def _all(stores: Stores, told: ReportedRules, *, limit: int, looked_at: int) -> tuple[list[str], ReportedRules]:
    """Call until nothing is left; no call returns more than it may."""
    found: list[str] = []
    while True:
        changes: RuleChanges = changed_rules(stores, told, limit=limit, looked_at=looked_at)
        assert len(changes.rules) <= min(limit, looked_at)
        assert changes.faults == ()
        found += [rules.batch for rules in changes.rules]
        if changes.reported == told:
            return found, told
        told = ReportedRules.read(changes.reported.write())


@pytest.mark.parametrize(("limit", "looked_at"), [(1, 100), (2, 100), (100, 1), (100, 2), (100, 5), (200, 20_000)])
def test_each_batch_is_told_once_however_few_a_call_looks_at(stores: Stores, limit: int, looked_at: int) -> None:
    for product in ("lid", "other"):
        published(stores, product)
        for name in ("b1", "b2", "b3"):
            inspect_batch(stores, taken(stores, name, [lid()], product=product).id)
    found, told = _all(stores, ReportedRules(), limit=limit, looked_at=looked_at)
    assert found == []
    for product in ("lid", "other"):
        next_master(stores, product, items(most_spots=1))
    found, told = _all(stores, told, limit=limit, looked_at=looked_at)
    assert found == [f"{product}-{name}" for product in ("lid", "other") for name in ("b1", "b2", "b3")]
    assert told.masters == {"lid": 2, "other": 2}
