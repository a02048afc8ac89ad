"""Patterns of printed text, against Python's regular expressions and the calendar."""

import re
import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imageflow_domain.dated_text import DateSpan, bound_on, check_bound
from imageflow_domain.text_pattern import TextPattern


def matches(pattern: str, line: str) -> bool:
    return TextPattern.parse(pattern).match(line) is not None


@pytest.mark.parametrize(
    ("pattern", "taken", "refused"),
    [
        ("LOT-77", ["LOT-77"], ["LOT-7", "LOT-777", "lot-77", ""]),
        (r"L\d{4}", ["L0815"], ["LO815", "L081", "L08155", "L٣٣٣٣"]),
        ("[A-Z]{2,3}-[0-9A-F]", ["AB-0", "ABC-F"], ["A-0", "ABCD-0", "AB-G", "AB-"]),
        ("(EXP|MHD)? ?[^ ]{3}", ["EXP abc", "abc", "MHDabc"], ["EXP  abc"]),
        ("査[ァ-ヶ]{2}", ["査カタ"], ["查カタ", "査かた"]),
        (r"a\.b\?", ["a.b?"], ["axb?", "a.b"]),
        (r"[\d-]{3}", ["1-2", "---"], ["1+2"]),
        ("a|b|", ["a", "b", ""], ["ab"]),
        ("x.{2}y", ["x--y"], ["x-y"]),
    ],
)
def test_a_pattern_takes_what_it_says(pattern: str, taken: list[str], refused: list[str]) -> None:
    assert [line for line in taken if not matches(pattern, line)] == []
    assert [line for line in refused if matches(pattern, line)] == []


_PARTS = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", ".", r"\d", "c?", "(a|bc)", "(ab|a)?", "[a-c]{2}", "b{1,3}", "(a?b){0,2}"]
)


@given(st.lists(_PARTS, min_size=1, max_size=8), st.text("abc1", max_size=10))
def test_patterns_take_what_regular_expressions_of_the_same_spelling_take(parts: list[str], line: str) -> None:
    pattern = "".join(parts)
    assert matches(pattern, line) == bool(re.fullmatch(pattern, line))


@given(st.lists(_PARTS, min_size=1, max_size=6), st.text("abc1", max_size=8))
def test_signs_one_by_one_lead_where_the_whole_line_does(parts: list[str], line: str) -> None:
    pattern = TextPattern.parse("".join(parts))
    states = pattern.initial
    for sign in line:
        assert bool(pattern.after(states, sign)) == any(sign in signs for signs in pattern.next_signs(states))
        states = pattern.after(states, sign)
    assert pattern.is_complete(states) == matches(pattern.text, line)


def test_a_pattern_that_would_backtrack_for_ages_is_matched_at_once() -> None:
    begun_s = time.perf_counter()
    assert not matches("(a?){200}a{200}", "a" * 199)
    assert time.perf_counter() - begun_s < 5


@pytest.mark.parametrize(
    ("pattern", "line", "first", "last"),
    [
        ("<YYYY-MM-DD>", "2026-02-28", date(2026, 2, 28), date(2026, 2, 28)),
        ("EXP <DD.MM.YY>", "EXP 07.11.27", date(2027, 11, 7), date(2027, 11, 7)),
        ("<MMM YYYY>", "FEB 2028", date(2028, 2, 1), date(2028, 2, 29)),
        ("<YYYY年M月D日>", "2026年3月9日", date(2026, 3, 9), date(2026, 3, 9)),
        ("<YYYYMMDD>", "20261231", date(2026, 12, 31), date(2026, 12, 31)),
    ],
)
def test_dates_are_read_in_their_spelling(pattern: str, line: str, first: date, last: date) -> None:
    assert TextPattern.parse(pattern).match(line) == {"date": DateSpan(first, last)}


@pytest.mark.parametrize("line", ["2026-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "1826-01-01"])
def test_days_that_the_calendar_does_not_have_are_refused(line: str) -> None:
    assert not matches("<YYYY-MM-DD>", line)


def test_several_dates_have_names_and_may_be_left_out() -> None:
    pattern = TextPattern.parse("<made:YYMMDD>( <expiry:YYMMDD>)?")
    found = pattern.match("261130 271130")
    assert found is not None
    assert {name: span.first for name, span in found.items()} == {
        "made": date(2026, 11, 30),
        "expiry": date(2027, 11, 30),
    }
    assert set(pattern.match("261130") or {}) == {"made"}


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("a)", r"wrong at sign 2: '\)' closes nothing"),
        ("(a", r"a '\)' is missing"),
        ("[a", r"a '\]' is missing"),
        ("[]", "names no sign"),
        ("[z-a]", "'z-a' is no range"),
        ("?", r"'\?' follows nothing"),
        (r"\w", r"'\\w' means nothing"),
        ("[A-Z]+", r"'\+' has no bound: write \{1,20\}"),
        ("^LOT", "always about the whole line"),
        ("a{x}", "a repetition looks like"),
        ("a{3,2}", "repeats nothing"),
        ("a{9999}", "more than 2,000 signs"),
        ("((a{40}){40}){40}", "more than 2,000 signs"),
        ("<YYYY", "a '>' is missing"),
        ("<DD.MM>", "has 0 of Y"),
        ("<YYYY-MM> <YYYY-MM>", "two dates 'date'"),
        ("<YYYY-MM>{2}", "a date may not be repeated"),
    ],
)
def test_a_wrong_pattern_is_refused_with_its_place(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        TextPattern.parse(pattern)


def test_bounds_of_dates_are_days_or_count_from_today() -> None:
    today = date(2026, 11, 30)
    assert bound_on(check_bound("today"), today) == today
    assert bound_on(check_bound("today+31"), today) == date(2026, 12, 31)
    assert bound_on(check_bound("today-30"), today) == date(2026, 10, 31)
    assert bound_on(check_bound("2027-01-05"), today) == date(2027, 1, 5)
    for wrong in ("tomorrow", "today+", "2026-02-30", "today+123456"):
        with pytest.raises(ValueError, match="is no day"):
            check_bound(wrong)
