"""A line of text from the scores of a recogniser (CTC; A. Graves and others, 2006), held to a pattern while it is read.

The pattern takes part in the search: only those ways to read the line are followed that it allows, so that 0 or O is
decided by what may stand there. How much the pattern had to decide is the reading's confidence.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from imageflow_domain.text_pattern import Signs, States, TextPattern

_BLANK = 0
_BEAM = 12
_LABELS = 8
"""How many signs are tried at each place."""
_LEAST_SCORE = 1e-7
_SURELY_BLANK = 0.9995

Scores = NDArray[np.float32]
"""Shape (places, 1 + signs): how likely each place shows nothing, or each sign; rows add up to 1."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A line as it was read."""

    text: str
    confidence: float
    """0 to 1: the mean score of its signs, or how likely its least likely sign is against what else was seen there."""


@dataclass(frozen=True)
class Alphabet:
    """What the columns of scores stand for, behind the first one, which is nothing."""

    signs: tuple[str, ...]

    @cached_property
    def columns(self) -> Mapping[str, int]:
        """The column of each sign."""
        return {sign: column for column, sign in enumerate(self.signs, start=1)}

    @cached_property
    def _codes(self) -> NDArray[np.int64]:
        return np.array([-1, *(ord(sign) if len(sign) == 1 else -1 for sign in self.signs)])

    def columns_of(self, signs: Signs) -> NDArray[np.bool_]:
        """Return which columns stand for signs of a set."""
        inside = np.zeros(len(self._codes), np.bool_)
        for low, high in signs.ranges:
            inside |= (self._codes >= ord(low)) & (self._codes <= ord(high))
        return np.asarray((inside != signs.others) & (self._codes >= 0), np.bool_)


def read_freely(scores: Scores, alphabet: Alphabet) -> Reading:
    """Return the line that is most likely place by place."""
    best = scores.argmax(axis=1)
    places = [at for at, column in enumerate(best) if column != _BLANK and (at == 0 or column != best[at - 1])]
    if not places:
        return Reading(text="", confidence=0.0)
    text = "".join(alphabet.signs[best[at] - 1] for at in places)
    return Reading(text=text, confidence=round(float(np.mean([scores[at, best[at]] for at in places])), 4))


def read_by_pattern(scores: Scores, alphabet: Alphabet, pattern: TextPattern) -> Reading | None:
    """Return the most likely line of those that a pattern takes; `None` where none is likely at all."""
    search = _Search(scores, alphabet, pattern)
    found = next((way for way in search.run() if pattern.match(way.text) is not None), None)
    if found is None or not found.text:
        return None
    columns = found.columns()
    chosen = scores[np.arange(len(columns)), columns]
    ratios = chosen / scores.max(axis=1)
    signs = [chosen[at] for at, column in enumerate(columns) if column != _BLANK]
    least = max(float(ratios.min()), 0.0)
    return Reading(text=found.text, confidence=round(min(least, float(np.mean(signs)) if len(signs) else 0.0), 4))


@dataclass(frozen=True)
class _Way:
    """A way to read the places so far: the text, where the pattern stands, and the column of each place."""

    text: str
    states: States
    column: int
    log_score: float
    before: "_Way | None"

    def columns(self) -> NDArray[np.intp]:
        """Return the column of each place."""
        found: list[int] = []
        way: _Way | None = self
        while way is not None and way.before is not None:
            found.append(way.column)
            way = way.before
        return np.array(found[::-1], np.intp)


class _Search:
    """One beam search: the best ways of each text, one that ends with a sign and one that ends with nothing."""

    def __init__(self, scores: Scores, alphabet: Alphabet, pattern: TextPattern) -> None:
        self._alphabet = alphabet
        self._pattern = pattern
        self._after: dict[tuple[States, str], States] = {}
        self._scores = scores
        self._useful = _useful(alphabet, pattern)

    def run(self) -> Iterator[_Way]:
        """Yield complete readings, the most likely first."""
        ways = [_Way("", self._pattern.initial, _BLANK, 0.0, None)]
        for row in self._scores:
            ways = self._next(ways, row)
        seen: set[str] = set()
        for way in ways:
            if way.text not in seen and self._pattern.is_complete(way.states):
                seen.add(way.text)
                yield way

    def _next(self, ways: list[_Way], row: NDArray[np.float32]) -> list[_Way]:
        found: dict[tuple[str, bool], _Way] = {}

        def add(way: _Way) -> None:
            key = (way.text, way.column == _BLANK)
            if key not in found or way.log_score > found[key].log_score:
                found[key] = way

        blank = _log(row[_BLANK])
        signs = self._likely(row)
        for way in ways:
            add(_Way(way.text, way.states, _BLANK, way.log_score + blank, way))
            if way.column != _BLANK:
                add(_Way(way.text, way.states, way.column, way.log_score + _log(row[way.column]), way))
            for column, log_score in signs:
                sign = self._alphabet.signs[column - 1]
                if column != way.column and (states := self._step(way.states, sign)):
                    add(_Way(way.text + sign, states, column, way.log_score + log_score, way))
        return sorted(found.values(), key=lambda way: (-way.log_score, way.text))[:_BEAM]

    def _likely(self, row: NDArray[np.float32]) -> list[tuple[int, float]]:
        if row[_BLANK] > _SURELY_BLANK:
            return []
        useful = self._useful
        values = row[useful]
        if len(values) > _LABELS:
            best = np.argpartition(values, -_LABELS)[-_LABELS:]
            useful, values = useful[best], values[best]
        return [
            (int(column), _log(score)) for column, score in zip(useful, values, strict=True) if score > _LEAST_SCORE
        ]

    def _step(self, states: States, sign: str) -> States:
        key = (states, sign)
        if key not in self._after:
            self._after[key] = self._pattern.after(states, sign)
        return self._after[key]


@lru_cache(maxsize=32)
def _useful(alphabet: Alphabet, pattern: TextPattern) -> NDArray[np.intp]:
    """Return the columns whose signs the pattern takes anywhere."""
    columns = [alphabet.columns_of(signs) for signs in pattern.all_signs]
    return np.flatnonzero(np.any(columns, axis=0)) if columns else np.empty(0, np.intp)


def _log(score: float) -> float:
    return math.log(max(float(score), 1e-12))
