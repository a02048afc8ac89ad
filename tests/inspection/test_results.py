"""Which results a search shows: those that count, unless former ones are asked for."""

from imageflow_clients.stores import Stores
from imageflow_domain.inspection import Batch
from imageflow_domain.page import Page
from imageflow_inspection.inspect_batch import inspect_batch
from imageflow_inspection.results import FoundResult, find_results
from tests.inspection.lids import items, lid, next_master, published, taken


def _shown(found: Page[FoundResult]) -> list[tuple[str, int, int]]:
    return [(each.batch.name, each.batch.version, each.result.inspection_id) for each in found.items]


def _version(stores: Stores, name: str, *, spots: int) -> Batch:
    return taken(stores, name, [lid(spots=spots)])


def test_results_of_a_version_that_was_replaced_are_shown_only_where_they_are_asked_for(stores: Stores) -> None:
    published(stores)
    first = _version(stores, "monday", spots=0)
    old = inspect_batch(stores, first.id).id
    other = inspect_batch(stores, _version(stores, "tuesday", spots=0).id).id
    second = _version(stores, "monday", spots=1)
    before = [("tuesday", 1, other), ("monday", 1, old)]
    assert _shown(find_results(stores)) == before, "its results count until those of the next version are there"
    new = inspect_batch(stores, second.id).id
    assert _shown(find_results(stores)) == [("monday", 2, new), ("tuesday", 1, other)]
    assert _shown(find_results(stores, product="lid")) == _shown(find_results(stores))
    assert _shown(find_results(stores, former=True)) == [("monday", 2, new), *before]
    assert _shown(find_results(stores, batch=first.id)) == [("monday", 1, old)]
    assert _shown(find_results(stores, inspection=old)) == [("monday", 1, old)]


def test_former_inspections_of_a_batch_are_shown_only_where_they_are_asked_for(stores: Stores) -> None:
    published(stores)
    batch = _version(stores, "monday", spots=1)
    old = inspect_batch(stores, batch.id).id
    next_master(stores, "lid", items(most_spots=1))
    new = inspect_batch(stores, batch.id).id
    assert new != old
    current, both = [("monday", 1, new)], [("monday", 1, new), ("monday", 1, old)]
    assert _shown(find_results(stores)) == current
    assert _shown(find_results(stores, batch=batch.id)) == current
    assert _shown(find_results(stores, former=True)) == both
    assert _shown(find_results(stores, batch=batch.id, former=True)) == both
