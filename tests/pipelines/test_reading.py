"""Lines from scores whose text is known, read freely and by a pattern."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imageflow_domain.text_pattern import TextPattern
from imageflow_pipelines.reading.decoding import Alphabet, Scores, read_by_pattern, read_freely

ALPHABET = Alphabet(tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. 査查"))


def scores(places: Sequence[Mapping[str, float]]) -> Scores:
    """Return rows that give each place its signs, and nothing the rest."""
    rows = np.full((len(places), len(ALPHABET.signs) + 1), 1e-6, np.float32)
    for row, signs in zip(rows, places, strict=True):
        row[0] = 1 - sum(signs.values())
        for sign, score in signs.items():
            row[ALPHABET.columns[sign]] = score
    return rows / rows.sum(axis=1, keepdims=True)


def line(text: str) -> Scores:
    """Return scores that show a text clearly, each sign at two places with nothing after it."""
    places: list[Mapping[str, float]] = []
    for sign in text:
        places += [{sign: 0.98}, {sign: 0.9}, {}]
    return scores(places)


def by(pattern: str, given: Scores) -> tuple[str, float] | None:
    reading = read_by_pattern(given, ALPHABET, TextPattern.parse(pattern))
    return None if reading is None else (reading.text, reading.confidence)


def test_a_clear_line_is_read_with_and_without_a_pattern() -> None:
    assert read_freely(line("LOT-0815"), ALPHABET).text == "LOT-0815"
    assert by(r"LOT-\d{4}", line("LOT-0815")) == ("LOT-0815", pytest.approx(0.94, abs=0.05))


def test_the_same_sign_twice_is_read_twice() -> None:
    assert read_freely(line("AA00"), ALPHABET).text == "AA00"
    assert (by(r"[A-Z]{2}\d\d", line("AA00")) or ("",))[0] == "AA00"


def test_an_empty_line_has_no_text() -> None:
    nothing = scores([{}, {}, {}])
    assert read_freely(nothing, ALPHABET).text == ""
    assert by("A?", nothing) is None


def test_the_pattern_decides_between_signs_that_look_alike_and_the_confidence_says_so() -> None:
    doubtful = scores([{"L": 0.99}, {}, {"O": 0.6, "0": 0.38}, {}, {"1": 0.45, "I": 0.5}, {}])
    assert read_freely(doubtful, ALPHABET).text == "LOI"
    assert by(r"[A-Z]\d\d", doubtful) == ("L01", pytest.approx(0.61, abs=0.02))
    assert by("[A-Z]{3}", doubtful) == ("LOI", pytest.approx(0.69, abs=0.03))
    assert (by("L(OI|0I)", scores([{"L": 0.99}, {}, {"O": 0.4, "0": 0.58}, {}, {"I": 0.9}])) or ("",))[0] == "L0I"


def test_kanji_that_look_alike_are_decided_by_the_pattern() -> None:
    assert by("検?査", scores([{"查": 0.8, "査": 0.15}, {}])) == ("査", pytest.approx(0.15, abs=0.05))


def test_a_line_of_another_format_is_not_read_or_with_hardly_any_confidence() -> None:
    for pattern in (r"LOT-\d{4}", r"\d{8}", "<YYYY-MM-DD>"):
        reading = by(pattern, line("PART-77"))
        assert reading is None or reading[1] < 0.001


def test_a_sign_that_the_pattern_would_leave_out_costs_the_confidence() -> None:
    reading = by(r"\d{3}", line("1234"))
    assert reading is None or reading[1] < 0.1


def test_dates_that_the_calendar_does_not_have_are_passed_over() -> None:
    doubtful = scores([{sign: 0.97} for pair in zip("2026-02-", " " * 8, strict=True) for sign in pair if sign != " "])
    tail = scores([{"3": 0.5, "2": 0.45}, {}, {"0": 0.5, "8": 0.45}, {}])
    assert (by("<YYYY-MM-DD>", np.concatenate([doubtful, tail])) or ("",))[0] in ("2026-02-20", "2026-02-28")


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_the_search_finds_the_best_way_of_all(seed: int) -> None:
    random = np.random.default_rng(seed)
    alphabet = Alphabet(("A", "B", "0"))
    given_scores = random.dirichlet(np.ones(4) * 0.7, 5).astype(np.float32)
    pattern = TextPattern.parse(r"[AB]?\d[AB]{0,2}")

    def collapsed(way: tuple[int, ...]) -> str:
        return "".join(alphabet.signs[column - 1] for column, _ in itertools.groupby(way) if column)

    ways = [way for way in itertools.product(range(4), repeat=5) if pattern.match(collapsed(way)) is not None]
    best = max(ways, key=lambda way: float(np.log(given_scores[np.arange(5), way]).sum()))
    reading = read_by_pattern(given_scores, alphabet, pattern)
    assert reading is not None
    assert reading.text == collapsed(best)
