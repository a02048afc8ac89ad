"""Which runs and which code made a place: runs from rows, code versions from what Dagster tells."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from imageflow_clients.dagster import Dagster, Materialization
from imageflow_clients.database.maps import attempts
from imageflow_clients.stores import Stores
from imageflow_domain.errors import DagsterUnavailable
from imageflow_domain.survey import BLOCK_LAYERS, Layer, Survey
from imageflow_surveys.origin import PlaceOrigin, trace_place
from tests.surveys.cities import carried, city, published

Asked = tuple[str, str]


class Told(Dagster):
    """Answers as Dagster's webserver does, from memory: every layer of every survey was materialised once."""

    def materializations(self, wanted: Sequence[Asked]) -> Mapping[Asked, Materialization]:
        return {one: Materialization(run_id=f"run of {one[1]}", code_version=f"code of {one[0]}") for one in wanted}


class Silent(Dagster):
    def materializations(self, wanted: Sequence[Asked]) -> Mapping[Asked, Materialization]:
        raise DagsterUnavailable("Dagster does not answer.")


def _origin(stores: Stores, survey: Survey, dagster: Dagster) -> PlaceOrigin:
    bounds = survey.published().bounds
    return trace_place(stores, dagster, survey.id, bounds.right_px - 5, bounds.bottom_px - 5).origin


def _begin_all(stores: Stores, survey: Survey, run_id: str) -> None:
    with stores.database.begin() as connection:
        for layer in Layer:
            for block in survey.blocks() if layer in BLOCK_LAYERS else (None,):
                attempts.begin(connection, survey.id, layer, block, run_id)


@pytest.fixture(scope="module")
def surveys(stores: Stores) -> tuple[Survey, Survey]:
    """A city, and the same one surveyed again: its tiles are the first one's."""
    first, second = (carried(stores, published(stores, city("origin", seed=31))) for _ in range(2))
    _begin_all(stores, second, "second")
    return first, second


def test_runs_are_those_of_the_attempts_and_code_is_that_of_the_newest_materialisation(
    stores: Stores, surveys: tuple[Survey, Survey]
) -> None:
    first, second = surveys
    origin = _origin(stores, second, Told(url=""))
    assert origin.versions_known
    assert [made.layer for made in origin.made] == list(Layer)
    assert {made.layer: made.code_version for made in origin.made} == {layer: f"code of {layer}" for layer in Layer}
    assert {(made.survey, made.run_id) for made in origin.made if made.layer is not Layer.TILES} == {
        (second.id, "second")
    }
    (tiles,) = [made for made in origin.made if made.layer is Layer.TILES]
    assert (tiles.survey, tiles.run_id) == (first.id, None), "unchanged since, and of an older version"


def test_of_a_survey_of_an_older_version_dagster_names_the_runs_of_layers_without_blocks(
    stores: Stores, surveys: tuple[Survey, Survey]
) -> None:
    first, _ = surveys
    runs = {made.layer: made.run_id for made in _origin(stores, first, Told(url="")).made}
    assert runs == {layer: None if layer in BLOCK_LAYERS else f"run of {first.id}" for layer in Layer}


def test_without_dagster_runs_are_named_and_code_is_not(stores: Stores, surveys: tuple[Survey, Survey]) -> None:
    first, second = surveys
    origin = _origin(stores, second, Silent(url=""))
    assert not origin.versions_known
    assert {made.code_version for made in origin.made} == {None}
    assert {made.run_id for made in origin.made if made.survey == second.id} == {"second"}
    assert {made.run_id for made in _origin(stores, first, Silent(url="")).made} == {None}


def test_a_place_is_traced_in_one_transaction(
    stores: Stores, surveys: tuple[Survey, Survey], transactions: Callable[[], int]
) -> None:
    _, second = surveys
    bounds = second.published().bounds
    trace_place(stores, Silent(url=""), second.id, bounds.x_px, bounds.y_px)
    assert transactions() == 1
