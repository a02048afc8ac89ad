"""Criteria: known outputs, known verdicts."""

import json
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from imageflow_clients.stores import Stores
from imageflow_domain.errors import InvalidMaster
from imageflow_domain.inspection import MOST_DETAILS_BYTES, Verdict
from imageflow_domain.masters import Item, read_items
from imageflow_inspection.judging import JudgedItem, combine, judge, undecided
from imageflow_pipelines.values import Box, Detection, Detections, Measurement, Measurements, Text, Value

TODAY = date(2026, 11, 30)
PASS, FAIL, UNDECIDED = Verdict.PASS, Verdict.FAIL, Verdict.UNDECIDED


def judged(kind: str, criteria: dict[str, Any], value: Value | None) -> JudgedItem:
    item = Item(code="x", name="X", type=kind, pipeline="p@1", criteria={"output": "out", **criteria})
    return judge(item, {"out": value}, today=TODAY)


def spot(score: float, side_px: float = 10, label: str = "spot") -> Detection:
    return Detection(label=label, score=score, box=Box(x_px=0, y_px=0, width_px=side_px, height_px=2))


@pytest.mark.parametrize(
    ("criteria", "found", "verdict", "confidence"),
    [
        ({}, [], PASS, 1.0),
        ({}, [spot(0.4)], PASS, 0.6),
        ({}, [spot(0.5)], FAIL, 0.5),
        ({}, [spot(0.7), spot(0.9)], FAIL, 0.9),
        ({"most": 1}, [spot(0.7), spot(0.9)], FAIL, 0.7),
        ({"most": 2}, [spot(0.7), spot(0.9)], PASS, 1.0),
        ({"min_score": 0.8}, [spot(0.7)], PASS, 0.3),
        ({"labels": ["dent"]}, [spot(0.9)], PASS, 1.0),
        ({"min_size_mm": 5, "mm_per_px": 0.5}, [spot(0.9, side_px=9)], PASS, 1.0),
        ({"min_size_mm": 5, "mm_per_px": 0.5}, [spot(0.9, side_px=10)], FAIL, 0.9),
    ],
)
def test_defects_above_score_and_size_fail(
    criteria: dict[str, Any], found: list[Detection], verdict: Verdict, confidence: float
) -> None:
    result = judged("VISUAL", criteria, Detections(tuple(found)))
    assert result.verdict is verdict
    assert result.confidence == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("length", "verdict", "confidence"),
    [(10.0, PASS, 1.0), (10.1, PASS, 0.0), (9.9, PASS, 0.0), (10.05, PASS, 0.5), (10.2, FAIL, 1.0), (9.89, FAIL, 0.1)],
)
def test_lengths_pass_within_their_tolerance_bounds_included(
    length: float, verdict: Verdict, confidence: float
) -> None:
    tolerance = {"measurement": "length", "nominal_mm": 10, "plus_mm": 0.1, "minus_mm": 0.1}
    measured = Measurements((Measurement(name="length", value=length, unit="mm"),))
    result = judged("DIMENSION", {"tolerances": [tolerance]}, measured)
    assert result.verdict is verdict
    assert result.confidence == pytest.approx(confidence, abs=1e-6)


def test_what_was_not_measured_or_in_another_unit_is_undecided_unless_something_else_failed() -> None:
    tolerances = [
        {"measurement": "length", "nominal_mm": 10, "plus_mm": 1, "minus_mm": 1},
        {"measurement": "width", "nominal_mm": 5, "plus_mm": 1, "minus_mm": 1},
    ]
    right = Measurement(name="length", value=10, unit="mm")
    for other in ([], [Measurement(name="width", value=5, unit="px")]):
        result = judged("DIMENSION", {"tolerances": tolerances}, Measurements((right, *other)))
        assert result.verdict is UNDECIDED
        assert "width" in result.details["reason"]
    wrong = Measurement(name="length", value=20, unit="mm")
    assert judged("DIMENSION", {"tolerances": tolerances}, Measurements((wrong,))).verdict is FAIL


@pytest.mark.parametrize(
    ("limits", "value", "verdict"),
    [
        ({"least": 1, "most": 3}, 1, PASS),
        ({"least": 1, "most": 3}, 3.01, FAIL),
        ({"least": 1}, 1e9, PASS),
        ({"most": 0}, 0, PASS),
        ({"most": 0}, 0.001, FAIL),
    ],
)
def test_values_pass_in_their_range(limits: dict[str, float], value: float, verdict: Verdict) -> None:
    measured = Measurements((Measurement(name="volts", value=value, unit="V"),))
    assert (
        judged("FUNCTION", {"ranges": [{"measurement": "volts", "unit": "V", **limits}]}, measured).verdict is verdict
    )


@pytest.mark.parametrize(
    ("criteria", "read", "verdict"),
    [
        ({"expected": "LOT-1"}, "LOT-1", PASS),
        ({"expected": "LOT-1"}, "other\nLOT-1 \n", PASS),
        ({"expected": "LOT-1"}, "lot-1", FAIL),
        ({"expected": "LOT-1", "ignore_case": True}, "lot-1", PASS),
        ({"expected": "LOT-1"}, "", FAIL),
        ({"expected": "LOT", "match": "contains"}, "a LOT of", PASS),
        ({"expected": "LOT-*-?", "match": "like"}, "LOT-77-A", PASS),
        ({"expected": "LOT-*-?", "match": "like"}, "LOT-77-AB", FAIL),
        ({"expected": "[A]*", "match": "like"}, "[A]1", PASS),
        ({"expected": "[A]*", "match": "like"}, "A1", FAIL),
    ],
)
def test_text_passes_if_a_line_is_what_was_expected(criteria: dict[str, Any], read: str, verdict: Verdict) -> None:
    assert judged("TEXT", criteria, Text(read)).verdict is verdict


SENT = "010401234512345610ABC123\x1d21X7"
ISO_15434 = "[)>\x1e06\x1dP12345\x1dS678\x1e\x04"


@pytest.mark.parametrize(
    ("criteria", "read", "verdict"),
    [
        ({"expected": SENT}, f"other\n{SENT}", PASS),
        ({"expected": SENT}, SENT.replace("\x1d", "<GS>"), FAIL),
        ({"expected": SENT.replace("\x1d", "<GS>")}, SENT, FAIL),
        ({"expected": "C123\x1d21", "match": "contains"}, SENT, PASS),
        ({"expected": "01*10ABC???\x1d21*", "match": "like"}, SENT, PASS),
        ({"expected": "01*21X7", "match": "like"}, SENT, FAIL),
        ({"expected": "01*21X7", "match": "like", "separators": True}, SENT, PASS),
        ({"expected": "21X7"}, SENT, PASS),
        ({"expected": "21X7", "separators": True}, SENT, FAIL),
        ({"expected": ISO_15434}, ISO_15434, PASS),
        ({"expected": ISO_15434}, ISO_15434.removesuffix("\x04"), FAIL),
        ({"expected": "X7\x1d", "match": "contains"}, f"{SENT}\x1d", PASS),
        ({"expected": "X7", "separators": True}, " X7 \n", PASS),
    ],
)
def test_separators_are_compared_where_the_criterion_holds_some_or_asks_for_it(
    criteria: dict[str, Any], read: str, verdict: Verdict
) -> None:
    assert judged("TEXT", criteria, Text(read)).verdict is verdict


@pytest.mark.parametrize("expected", ["a\0b", "a\nb", "a\ud800", "a\u2028b"])
def test_what_no_line_holds_is_refused_in_a_criterion(expected: str) -> None:
    with pytest.raises(InvalidMaster, match="expected: holds what no line of text does"):
        read_items([{"code": "x", "name": "X", "type": "TEXT", "pipeline": "p@1", "criteria": {"expected": expected}}])


def test_a_way_not_taken_or_another_kind_is_undecided() -> None:
    assert judged("TEXT", {"expected": "x"}, None).verdict is UNDECIDED
    assert judged("TEXT", {"expected": "x"}, Detections(())).verdict is UNDECIDED


def test_signs_that_no_database_keeps_are_replaced() -> None:
    result = judged("TEXT", {"expected": "x"}, Text("a\0b\ud800"))
    assert result.details["read"] == ["a�b?"]


def test_required_items_alone_decide_and_a_failure_weighs_more_than_a_doubt() -> None:
    good = JudgedItem(verdict=PASS, confidence=0.8, details={})
    bad = JudgedItem(verdict=FAIL, confidence=0.7, details={})
    doubt = undecided("dark")
    assert combine({"a": (True, good), "b": (False, bad)}) == (PASS, 0.8)
    assert combine({"a": (True, good), "b": (True, bad), "c": (True, doubt)}) == (FAIL, 0.7)
    assert combine({"a": (True, good), "c": (True, doubt)}) == (UNDECIDED, 0.0)
    assert combine({"a": (False, bad)}) == (PASS, 1.0)


def _kept_bytes(stores: Stores, judged: JudgedItem) -> int:
    """Return how many bytes PostgreSQL makes of the details."""
    with stores.database.begin() as connection:
        told = {"told": json.dumps(judged.details)}
        size: int = connection.execute(text("SELECT octet_length(CAST(:told AS jsonb)::text)"), told).scalar_one()
    return size


def test_details_that_no_row_holds_are_cut_and_say_so(stores: Stores) -> None:
    read = Text("\n".join("\u20ac" * 2_000 for _ in range(100)))
    long = judged("TEXT", {"expected": "LOT-1"}, read)
    assert long.verdict is FAIL
    assert _kept_bytes(stores, long) <= MOST_DETAILS_BYTES
    assert len(long.details["read"]) + long.details["left_out"] == 100
    assert len(long.details["read"]) >= 20
    tiny = Box(x_px=1e-300, y_px=1e-300, width_px=1e-300, height_px=1e-300)
    defects = tuple(Detection(label="spot" * 400, score=0.9, box=tiny) for _ in range(100))
    many = judged("VISUAL", {}, Detections(defects))
    assert (many.verdict, many.details["defects"]) == (FAIL, 100)
    assert _kept_bytes(stores, many) <= MOST_DETAILS_BYTES
    assert many.details["left_out"] > 0
    assert "left_out" not in judged("TEXT", {"expected": "LOT-1"}, Text("LOT-1")).details


_LOT = {"match": "pattern", "expected": r"LOT-[A-Z]\d{3} <made:YYYY.MM.DD>( EXP <expiry:MM/YY>)?"}


@pytest.mark.parametrize(
    ("rules", "read", "verdict", "reason"),
    [
        ([], "LOT-A123 2026.11.30", PASS, None),
        ([], "a\nLOT-A123 2026.11.30\nb", PASS, None),
        ([], "LOT-4123 2026.11.30", FAIL, None),
        ([], "LOT-A123 2026.11.31", FAIL, None),
        ([{"date": "made", "not_after": "today"}], "LOT-A123 2026.11.30", PASS, None),
        (
            [{"date": "made", "not_after": "today"}],
            "LOT-A123 2026.12.01",
            FAIL,
            "The date 'made', 2026-12-01, is after 2026-11-30.",
        ),
        ([{"date": "expiry", "not_before": "today"}], "LOT-A123 2026.11.30 EXP 11/26", PASS, None),
        (
            [{"date": "expiry", "not_before": "today+1"}],
            "LOT-A123 2026.11.30 EXP 11/26",
            FAIL,
            "The date 'expiry', 2026-11, is before 2026-12-01.",
        ),
        (
            [{"date": "expiry", "not_before": "2026-01-01"}],
            "LOT-A123 2026.11.30",
            FAIL,
            "The date 'expiry' is missing.",
        ),
        (
            [{"date": "made", "not_before": "2026-01-01"}],
            "LOT-A123 2025.11.30\nLOT-B123 2026.11.30",
            PASS,
            None,
        ),
    ],
)
def test_lines_are_held_to_a_pattern_and_dates_to_their_rules(
    rules: list[dict[str, str]], read: str, verdict: Verdict, reason: str | None
) -> None:
    result = judged("TEXT", {**_LOT, "dates": rules}, Text(read))
    assert result.verdict is verdict
    assert result.details.get("reason") == reason


def test_the_dates_that_were_read_stand_in_the_details() -> None:
    details = judged("TEXT", _LOT, Text("LOT-A123 2026.11.30 EXP 02/28")).details
    assert details["dates"] == {"made": "2026-11-30", "expiry": "2028-02"}


@pytest.mark.parametrize(
    ("criteria", "why"),
    [
        ({"expected": "[A", "match": "pattern"}, "a ']' is missing"),
        ({**_LOT, "ignore_case": True}, "leave ignore_case out"),
        ({**_LOT, "dates": [{"date": "sold", "not_after": "today"}]}, "no date 'sold': it has made, expiry"),
        ({**_LOT, "dates": [{"date": "made"}]}, "not_before, not_after or both are given"),
        ({**_LOT, "dates": [{"date": "made", "not_after": "soon"}]}, "'soon' is no day"),
        ({"expected": "x", "dates": [{"date": "made", "not_after": "today"}]}, "write match: pattern"),
    ],
)
def test_wrong_patterns_and_rules_are_refused(criteria: dict[str, Any], why: str) -> None:
    item = {"code": "x", "name": "X", "type": "TEXT", "pipeline": "p@1", "criteria": criteria}
    with pytest.raises(InvalidMaster) as refusal:
        read_items([item])
    assert why in str(refusal.value)
