"""Identities of masters as version 0.4 gave them: another digest would make every batch of these masters stale."""

from typing import Any

import pytest

from imageflow_clients.stores import Stores
from imageflow_inspection.identity import judge_now
from tests.inspection.lids import items, published


def _item(code: str, kind: str, **rest: Any) -> dict[str, Any]:
    return {"code": code, "name": code, "type": kind, "pipeline": "lids@1", **rest}


_EVERY_FIELD = [
    _item(
        "spots",
        "VISUAL",
        criteria={
            "output": "defects",
            "labels": ["spot", "傷"],
            "min_score": 0.25,
            "min_size_mm": 1.5,
            "mm_per_px": 0.5,
            "most": 2,
        },
        required=False,
    ),
    _item(
        "length",
        "DIMENSION",
        criteria={"tolerances": [{"measurement": "length", "nominal_mm": 50, "plus_mm": 0.5, "minus_mm": 0.25}]},
    ),
    _item("count", "FUNCTION", criteria={"output": "values", "ranges": [{"measurement": "count", "least": 0}]}),
    _item("lot", "TEXT", criteria={"expected": "lot-*", "match": "like", "ignore_case": True}),
]

_MASTERS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "what is drawn on lids": (items(), "23e2bef40614afdbd25efe0b90aa6a42ed5f4297845f7fbadb50745cc56fcc89"),
    "every kind of criteria with all fields": (
        _EVERY_FIELD,
        "9fd51948d425de997d0a462f17e33ce1219e96ea109532b0fd2e65ddfad02df8",
    ),
    "a text alone": (
        [_item("lot", "TEXT", criteria={"expected": "LOT-1"})],
        "274a57069b85fa7f2b0b4c9f6818f428f717d13978e39e29b729111d87e5e3b1",
    ),
    "a text that contains": (
        [_item("lot", "TEXT", criteria={"expected": "製品<GS>(01)", "match": "contains"})],
        "6cdfc800fc4957a7b332ebd86e2c20b1a6ad7e0069a478f7668692535002bf61",
    ),
    "a visual by its defaults": (
        [_item("spots", "VISUAL", criteria={})],
        "20d085dfcad4d44711d385d09d960144f41c84e5bfd33d3d192b8418b9ef064c",
    ),
}


@pytest.mark.parametrize("name", _MASTERS)
def test_a_master_of_before_keeps_its_identity(stores: Stores, name: str) -> None:
    wanted, identity = _MASTERS[name]
    published(stores, wanted=wanted)
    with stores.database.begin() as connection:
        assert judge_now(connection, "lid", None).identity == identity


def test_a_text_whose_separators_count_has_another_identity(stores: Stores) -> None:
    published(stores, wanted=[_item("lot", "TEXT", criteria={"expected": "LOT-1", "separators": True})])
    with stores.database.begin() as connection:
        assert judge_now(connection, "lid", None).identity != _MASTERS["a text alone"][1]
