"""Values between steps come back as what they were, in whichever process; what cannot says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from imageflow_clients.object_stores import open_object_store
from imageflow_clients.settings import Settings
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import ImageFlowError, InvalidInput, ObjectMissing
from imageflow_resources.values import kept_values
from imageflow_surveys.values import forget_old_values, forget_values_of


@dataclass(frozen=True, kw_only=True)
class Corner:
    """Part of a value."""

    row: int
    col: int


@dataclass(frozen=True, kw_only=True)
class Share:
    """A value."""

    name: str
    corners: tuple[Corner, ...]
    weight: float | None = None


SHARES = [
    Share(name="first", corners=(Corner(row=1, col=2), Corner(row=3, col=4))),
    Share(name="zweiter", corners=(), weight=0.1),
]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    objects = open_object_store(Settings(home=tmp_path))
    return Stores(database=None, objects=objects, scratch=tmp_path)  # type: ignore[arg-type]


@dg.op(out=dg.DynamicOut(Share))
def plan() -> Iterator[dg.DynamicOutput[Share]]:
    for number, share in enumerate(SHARES):
        yield dg.DynamicOutput(share, mapping_key=f"s{number:03d}")


@dg.op
def double(share: Share) -> tuple[Share, Share]:
    return share, share


@dg.op
def gather(pairs: list[tuple[Share, Share]]) -> dict[str, int]:
    assert [pair[0] for pair in pairs] == SHARES
    assert all(type(pair) is tuple and type(pair[0].corners) is tuple for pair in pairs)
    return {"pairs": len(pairs)}


@dg.op
def check(counts: dict[str, int], text: str, number: int) -> None:
    assert (counts, text, number) == ({"pairs": 2}, "ä\n", -7)


@dg.op
def text() -> str:
    return "ä\n"


@dg.op
def number() -> int:
    return -7


@dg.job
def everything() -> None:
    check(gather(plan().map(double).collect()), text(), number())


@dg.op
def untyped():  # type: ignore[no-untyped-def]
    return 1


@dg.op
def take(value: Any) -> None:
    """Take whatever comes."""


@dg.job
def careless() -> None:
    take(untyped())


def _execute(job: dg.JobDefinition, stores: Stores, **options: Any) -> dg.ExecuteInProcessResult:
    resources = {"stores": stores, "io_manager": kept_values}
    return job.graph.execute_in_process(resources=resources, **options)


def test_values_dynamic_and_collected_ones_come_back_as_they_were(stores: Stores) -> None:
    result = _execute(everything, stores)
    assert result.success
    kept = {stored.key.removeprefix(f"runs/{result.run_id}/") for stored in stores.objects.list("runs/")}
    assert kept == {
        "plan/result/s000.json",
        "plan/result/s001.json",
        "double[s000]/result.json",
        "double[s001]/result.json",
        "gather/result.json",
        "text/result.json",
        "number/result.json",
    }


def test_a_value_that_is_gone_is_named_with_what_to_do(stores: Stores) -> None:
    key = keys.step_value("a-run", "plan", "result", "s001")
    output = dg.build_output_context(
        step_key="plan",
        name="result",
        run_id="a-run",
        mapping_key="s001",
        dagster_type=dg.PythonObjectDagsterType(Share),
    )
    with dg.build_resources({"stores": stores, "values": kept_values}) as resources:
        with pytest.raises(ObjectMissing, match=r"runs/a-run/plan/result/s001.json.*re-execute all steps"):
            resources.values.load_input(dg.build_input_context(upstream_output=output))
        stores.objects.put(key, b'{"name": "first"}')
        with pytest.raises(InvalidInput, match=r"runs/a-run/plan/result/s001.json.*another version.*re-execute all"):
            resources.values.load_input(dg.build_input_context(upstream_output=output))
        stores.objects.put(key, b'{"name": "first", "corners": []}')
        assert resources.values.load_input(dg.build_input_context(upstream_output=output)) == Share(
            name="first", corners=()
        )


def test_an_output_without_a_type_is_refused(stores: Stores) -> None:
    with pytest.raises(ImageFlowError, match="Output 'result' of step 'untyped' declares no type"):
        _execute(careless, stores)


def test_a_value_of_another_type_than_declared_is_refused(stores: Stores) -> None:
    output = dg.build_output_context(
        step_key="plan", name="result", run_id="a-run", dagster_type=dg.PythonObjectDagsterType(Share)
    )
    with (
        dg.build_resources({"stores": stores, "values": kept_values}) as resources,
        pytest.raises(InvalidInput, match=r"runs/a-run/plan/result.json"),
    ):
        resources.values.handle_output(output, {"name": "first"})
    assert not stores.objects.exists("runs/a-run/plan/result.json")


@pytest.mark.parametrize(
    ("run", "step", "mapping_key"),
    [("../up", "plan", None), ("run", "a/b", None), ("run", "..", None), ("run", "plan", "../x"), ("", "plan", None)],
)
def test_a_name_that_leads_elsewhere_makes_no_key(run: str, step: str, mapping_key: str | None) -> None:
    with pytest.raises(InvalidInput):
        keys.step_value(run, step, "result", mapping_key)


def test_values_go_with_their_runs_and_old_ones_go_at_night(stores: Stores) -> None:
    for run in ("one", "other"):
        for part in ("s000", "s001"):
            stores.objects.put(keys.step_value(run, "plan", "result", part), b"1")
    assert forget_old_values(stores) == 0
    assert forget_values_of(stores, ["one", "unknown"]) == 2
    assert [stored.key for stored in stores.objects.list("runs/") if "/one/" in stored.key] == []
    assert forget_old_values(stores, older_than=timedelta(0)) == 2
    assert list(stores.objects.list("runs/")) == []
