"""What criteria make of a pipeline's output: a verdict, how sure it is, and why. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from imageflow_domain.dated_text import DateSpan, bound_on
from imageflow_domain.inspection import MOST_DETAILS_BYTES, Verdict
from imageflow_domain.masters import DateRule, Dimension, Function, Item, Range, Text, Tolerance, Visual
from imageflow_domain.text_pattern import TextPattern
from imageflow_pipelines.canonical import to_json
from imageflow_pipelines.values import Detection, Detections, Measurements, Value
from imageflow_pipelines.values import Text as TextValue

CODE_VERSION = 1
"""Raised when the same outputs and criteria give other verdicts: it makes every earlier inspection stale."""

_MOST_LISTED = 100
_MOST_CHARS = 2_000


@dataclass(frozen=True, kw_only=True)
class JudgedItem:
    """The result of one item's criteria for one picture."""

    verdict: Verdict
    confidence: float
    details: Mapping[str, Any]
    drawn: tuple[Detection, ...] = ()
    """What to draw on the picture."""
    picture: bytes | None = None
    """The picture with what was found, where the pipeline draws it itself."""


def judge(item: Item, outputs: Mapping[str, Value | None], *, today: date) -> JudgedItem:
    """Return what an item's criteria make of its pipeline's outputs.

    Confidence is 0 to 1. VISUAL: the score of the defect that decided, or one minus that of the strongest that was too
    weak. DIMENSION and FUNCTION: how far the worst value is from its nearest limit, in parts of half the tolerance.
    TEXT: 1. Details that are more than a row holds are cut, and say at `left_out` how many there are no more.

    Args:
        item: What is inspected.
        outputs: What its pipeline gave.
        today: The day from which rules about dates count.
    """
    judged = _judge(item, outputs, today)
    return replace(judged, details=_cut(judged.details))


def _judge(item: Item, outputs: Mapping[str, Value | None], today: date) -> JudgedItem:
    rule = item.rule
    value = outputs.get(rule.output)
    if value is None:
        return undecided(f"The pipeline gave nothing at '{rule.output}': a branch went another way.")
    match rule, value:
        case Visual(), Detections():
            return _visual(rule, value)
        case Dimension(), Measurements():
            return _measured([_length(each, value) for each in rule.tolerances])
        case Function(), Measurements():
            return _measured([_value(each, value) for each in rule.ranges])
        case Text(), TextValue():
            return _text(rule, value, today)
        case _:
            return undecided(f"The pipeline's '{rule.output}' is nothing that {item.type} criteria can judge.")


def undecided(reason: str) -> JudgedItem:
    """Return the verdict on a picture that could not be judged."""
    return JudgedItem(verdict=Verdict.UNDECIDED, confidence=0.0, details={"reason": _clean(reason)})


def combine(items: Mapping[str, tuple[bool, JudgedItem]]) -> tuple[Verdict, float]:
    """Return the picture's verdict and confidence.

    Fails if a required item fails; is undecided if none fails and one could not be judged; passes otherwise. The
    confidence is that of the surest failure, or of the least sure pass.

    Args:
        items: By code: whether it is required, and what was judged.
    """
    deciding = [judged for required, judged in items.values() if required]
    failed = [judged.confidence for judged in deciding if judged.verdict is Verdict.FAIL]
    if failed:
        return Verdict.FAIL, max(failed)
    if any(judged.verdict is Verdict.UNDECIDED for judged in deciding):
        return Verdict.UNDECIDED, 0.0
    return Verdict.PASS, min((judged.confidence for judged in deciding), default=1.0)


def _visual(rule: Visual, found: Detections) -> JudgedItem:
    named = [each for each in found.items if not rule.labels or each.label in rule.labels]
    large = [each for each in named if _is_large(rule, each)]
    defects = sorted((each for each in large if each.score >= rule.min_score), key=lambda each: -each.score)
    verdict = Verdict.FAIL if len(defects) > rule.most else Verdict.PASS
    if verdict is Verdict.FAIL:
        confidence = defects[rule.most].score  # without it the picture would have passed
    else:
        confidence = 1 - max((each.score for each in large if each.score < rule.min_score), default=0.0)
    return JudgedItem(
        verdict=verdict,
        confidence=min(max(confidence, 0.0), 1.0),
        details={
            "defects": len(defects),
            "most": rule.most,
            "min_score": rule.min_score,
            "found": _cleaned(to_json(Detections(tuple(_plain(each) for each in defects[:_MOST_LISTED])))),
        },
        drawn=tuple(defects),
    )


def _is_large(rule: Visual, found: Detection) -> bool:
    if rule.min_size_mm is None or rule.mm_per_px is None or found.box is None:
        return True
    return max(found.box.width_px, found.box.height_px) * rule.mm_per_px >= rule.min_size_mm


def _plain(found: Detection) -> Detection:
    """Return a detection without its outline, which may have thousands of corners."""
    return Detection(label=found.label, score=found.score, box=found.box, text=found.text)


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """A measured value and its limits, at least one of them."""

    name: str
    value: float
    unit: str
    least: float | None
    most: float | None

    @property
    def is_within(self) -> bool:
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def confidence(self) -> float:
        """How far it is from the nearest limit, in parts of half the distance between both, at most 1."""
        limits = [limit for limit in (self.least, self.most) if limit is not None]
        away = min(abs(self.value - limit) for limit in limits)
        scale = (limits[1] - limits[0]) / 2 if len(limits) == 2 else abs(limits[0])
        return min(away / scale, 1.0) if scale > 0 else 1.0

    def facts(self) -> dict[str, Any]:
        return {
            "measurement": self.name,
            "value": self.value,
            "unit": self.unit,
            "least": self.least,
            "most": self.most,
        }


def _length(rule: Tolerance, measured: Measurements) -> _Reading | str:
    # 9.9 + 0.1 is 10, without the rounding error of binary fractions.
    least, most = round(rule.nominal_mm - rule.minus_mm, 9), round(rule.nominal_mm + rule.plus_mm, 9)
    return _read(measured, rule.measurement, "mm", least=least, most=most)


def _value(rule: Range, measured: Measurements) -> _Reading | str:
    return _read(measured, rule.measurement, rule.unit, least=rule.least, most=rule.most)


def _read(measured: Measurements, name: str, unit: str, *, least: float | None, most: float | None) -> _Reading | str:
    """Return what was measured, or why that cannot be said."""
    found = [item for item in measured.items if item.name == name]
    if len(found) != 1:
        there = ", ".join(sorted({item.name for item in measured.items})) or "none at all"
        return f"There are {len(found)} measurements '{name}': there is {there}."
    if found[0].unit != unit:
        return f"'{name}' is in '{found[0].unit}', not in '{unit}'."
    return _Reading(name=name, value=found[0].value, unit=unit, least=least, most=most)


def _measured(readings: list[_Reading | str]) -> JudgedItem:
    read = [reading for reading in readings if isinstance(reading, _Reading)]
    reasons = [reading for reading in readings if isinstance(reading, str)]
    outside = [reading for reading in read if not reading.is_within]
    details: dict[str, Any] = {"measured": [reading.facts() for reading in read]}
    if reasons:
        details["reason"] = _clean(" ".join(reasons))
    if outside:
        sure = max(reading.confidence for reading in outside)
        return JudgedItem(verdict=Verdict.FAIL, confidence=sure, details=details)
    if reasons:
        return JudgedItem(verdict=Verdict.UNDECIDED, confidence=0.0, details=details)
    return JudgedItem(verdict=Verdict.PASS, confidence=min(reading.confidence for reading in read), details=details)


def _text(rule: Text, read: TextValue, today: date) -> JudgedItem:
    lines = _lines(rule, read.text)
    details: dict[str, Any] = {
        "read": [_clean(line) for line in lines[:_MOST_LISTED]],
        "expected": rule.expected,
        "match": rule.match,
    }
    if rule.match == "pattern":
        passes, facts = _matched(rule, lines, today)
        details |= facts
    else:
        expected = rule.expected.casefold() if rule.ignore_case else rule.expected
        compared = [line.casefold() if rule.ignore_case else line for line in lines]
        passes = any(_is_expected(line, expected, rule.match) for line in compared)
    return JudgedItem(verdict=Verdict.PASS if passes else Verdict.FAIL, confidence=1.0, details=details)


def _matched(rule: Text, lines: list[str], today: date) -> tuple[bool, dict[str, Any]]:
    """Return whether a line passes, and the dates of the first line that the pattern takes, with what is wrong."""
    pattern = TextPattern.parse(rule.expected)
    first: dict[str, Any] = {}
    for line in lines:
        dates = pattern.match(line)
        if dates is None:
            continue
        wrong = [said for each in rule.dates if (said := _why_wrong(each, dates.get(each.date), today))]
        facts: dict[str, Any] = {"dates": {name: _spelled(span) for name, span in dates.items()}} if dates else {}
        if not wrong:
            return True, facts
        first = first or {**facts, "reason": " ".join(wrong)}
    return False, first


def _why_wrong(rule: DateRule, span: DateSpan | None, today: date) -> str:
    """Return what is wrong with a date; nothing where it fulfils the rule."""
    if span is None:
        return f"The date '{rule.date}' is missing."
    if rule.not_before is not None and span.last < (least := bound_on(rule.not_before, today)):
        return f"The date '{rule.date}', {_spelled(span)}, is before {least}."
    if rule.not_after is not None and span.first > (most := bound_on(rule.not_after, today)):
        return f"The date '{rule.date}', {_spelled(span)}, is after {most}."
    return ""


def _spelled(span: DateSpan) -> str:
    return str(span.first) if span.first == span.last else f"{span.first:%Y-%m}"


def _lines(rule: Text, text: str) -> list[str]:
    """Return the lines that are compared, without the spaces around them; empty ones are none."""
    if rule.keeps_separators:
        lines = (line.strip(" ") for line in text.split("\n"))
    else:
        lines = (line.strip() for line in text.splitlines())  # at GS, RS and the like too
    return [line for line in lines if line]


def _is_expected(line: str, expected: str, match: str) -> bool:
    match match:
        case "equals":
            return line == expected
        case "contains":
            return expected in line
        case _:
            return fnmatchcase(line, expected.replace("[", "[[]"))


def _cut(details: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return details that a row holds: the longest list loses its later half until they do."""
    facts, left_out = dict(details), 0
    while _bytes_of(facts) > MOST_DETAILS_BYTES:
        longest = max((name for name in facts if isinstance(facts[name], list)), key=lambda name: len(facts[name]))
        kept = len(facts[longest]) // 2
        left_out += len(facts[longest]) - kept
        facts |= {longest: facts[longest][:kept], "left_out": left_out}
    return facts


def _bytes_of(facts: Any) -> int:
    """Return at least how many bytes PostgreSQL spells a value of JSON with: it writes all digits of 1e-300."""
    match facts:
        case float():
            return len(format(Decimal(repr(facts)), "f"))
        case list():
            return 2 + sum(_bytes_of(each) + 2 for each in facts)
        case dict():
            return 2 + sum(_bytes_of(key) + _bytes_of(each) + 4 for key, each in facts.items())
        case _:
            return len(json.dumps(facts, ensure_ascii=False).encode())


def _cleaned(facts: Any) -> Any:
    match facts:
        case str():
            return _clean(facts)
        case list():
            return [_cleaned(each) for each in facts]
        case dict():
            return {key: _cleaned(value) for key, value in facts.items()}
        case _:
            return facts


def _clean(text: str) -> str:
    """Return text as PostgreSQL keeps it: no NUL, no half of a pair, not without end."""
    return text[:_MOST_CHARS].replace("\0", "�").encode("utf-8", "replace").decode()
