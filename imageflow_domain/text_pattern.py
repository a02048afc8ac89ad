"""Patterns of printed text: what a line may look like, with dates in it; matched in time that is linear in the line.

ABC         these signs; `\\` before one of `\\ . [ ] ( ) | ? * + ^ $ { } < >` makes it an ordinary one
.           any sign
[A-Z0-9-]   one of these signs; [^...] any other
\\d          a digit, 0 to 9
(a|b)       alternatives
?  {3}  {2,5}   what is before, at most once, 3 times, 2 to 5 times
<YYYY-MM-DD>    a date of YYYY or YY, MM, M or MMM (JAN), DD or D, and other signs; <expiry:DD.MM.YY> has a name

A pattern becomes a program of a few instructions (R. Cox, "Regular Expression Matching: the Virtual Machine Approach").
Readers of text step through the same program sign by sign.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from imageflow_domain.dated_text import DATE, DateFormat, DateSpan

_MOST_INSTRUCTIONS = 2_000
_SPECIAL = "\\.[]()|?*+^${}<>"


@dataclass(frozen=True)
class Signs:
    """A set of signs: those of some ranges, or all others."""

    ranges: tuple[tuple[str, str], ...]
    others: bool = False

    def __contains__(self, sign: object) -> bool:
        return isinstance(sign, str) and any(low <= sign <= high for low, high in self.ranges) != self.others


ANY = Signs((), others=True)
DIGITS = Signs((("0", "9"),))


@dataclass(frozen=True)
class One:
    """Take one sign of a set, then go on behind."""

    signs: Signs


@dataclass(frozen=True)
class Split:
    """Go on at either of two places, at the first one rather."""

    first: int
    second: int


@dataclass(frozen=True)
class Go:
    """Go on elsewhere."""

    to: int


@dataclass(frozen=True)
class Mark:
    """A date begins or ends here."""

    name: str
    begins: bool


@dataclass(frozen=True)
class End:
    """The line is complete."""


Instruction = One | Split | Go | Mark | End
States = frozenset[int]
"""Places of the program that wait for a sign, or are its end."""


@dataclass(frozen=True)
class TextPattern:
    """A pattern that was read."""

    text: str
    program: tuple[Instruction, ...] = field(repr=False, compare=False)
    formats: Mapping[str, DateFormat] = field(repr=False, compare=False)
    """By the names of dates."""

    @classmethod
    def parse(cls, text: str) -> "TextPattern":
        """Read a pattern; raise `ValueError`, which says what is wrong and where."""
        return _Parser(text).parse()

    @property
    def initial(self) -> States:
        """Where a line begins."""
        return self._closed([0])

    def after(self, states: States, sign: str) -> States:
        """Return where one more sign leads to; nowhere if no line goes on so."""
        return self._closed(
            place + 1 for place in states if isinstance(step := self.program[place], One) and sign in step.signs
        )

    def next_signs(self, states: States) -> tuple[Signs, ...]:
        """Return the sets of signs that may come next."""
        return tuple(step.signs for place in sorted(states) if isinstance(step := self.program[place], One))

    @property
    def all_signs(self) -> tuple[Signs, ...]:
        """All sets of signs, those of any place, each once."""
        return tuple(dict.fromkeys(step.signs for step in self.program if isinstance(step, One)))

    def is_complete(self, states: States) -> bool:
        """Return whether a line may end there."""
        return any(isinstance(self.program[place], End) for place in states)

    def match(self, line: str) -> Mapping[str, DateSpan] | None:
        """Return the dates of a line by their names; `None` for a line that the pattern, or the calendar, excludes."""
        marks = self._marks(line)
        if marks is None:
            return None
        dates = {}
        for name, (begins, ends) in marks.items():
            span = self.formats[name].read(line[begins:ends])
            if span is None:
                return None
            dates[name] = span
        return dates

    def _closed(self, places: "list[int] | Iterator[int]") -> States:
        found: set[int] = set()
        waiting = list(places)
        reached: set[int] = set()
        while waiting:
            place = waiting.pop()
            if place in reached:
                continue
            reached.add(place)
            match self.program[place]:
                case Split(first, second):
                    waiting += [first, second]
                case Go(to):
                    waiting.append(to)
                case Mark():
                    waiting.append(place + 1)
                case _:
                    found.add(place)
        return frozenset(found)

    def _marks(self, line: str) -> dict[str, tuple[int, int]] | None:
        """Return where the dates of a line stand: those of the first way through the program that takes it."""
        threads = self._followed({0: {}}, 0)
        for place, sign in enumerate(line):
            ahead: dict[int, _Marks] = {}
            for at, marks in threads.items():
                step = self.program[at]
                if isinstance(step, One) and sign in step.signs:
                    ahead.setdefault(at + 1, marks)
            threads = self._followed(ahead, place + 1)
        for at, marks in threads.items():
            if isinstance(self.program[at], End):
                return {name: (begins, ends) for name, (begins, ends) in marks.items() if ends is not None}
        return None

    def _followed(self, threads: "dict[int, _Marks]", position: int) -> "dict[int, _Marks]":
        """Follow all that takes no sign; of two ways to one place the first one stays."""
        found: dict[int, _Marks] = {}
        reached: set[int] = set()
        waiting = list(reversed(threads.items()))
        while waiting:
            at, marks = waiting.pop()
            if at in reached:
                continue
            reached.add(at)
            match self.program[at]:
                case Split(first, second):
                    waiting += [(second, marks), (first, marks)]
                case Go(to):
                    waiting.append((to, marks))
                case Mark(name, begins):
                    mark = (position, None) if begins else (marks[name][0], position)
                    waiting.append((at + 1, {**marks, name: mark}))
                case _:
                    found[at] = marks
        return found


_Marks = dict[str, tuple[int, int | None]]


class _Parser:
    """Reads one pattern into instructions, whose places count from the beginning of their own part."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._formats: dict[str, DateFormat] = {}

    def parse(self) -> TextPattern:
        program = self._alternatives()
        if self._at < len(self._text):
            raise self._wrong("')' closes nothing")
        return TextPattern(self._text, (*program, End()), self._formats)

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"the pattern '{self._text}' is wrong at sign {self._at + 1}: {why}")

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _alternatives(self) -> tuple[Instruction, ...]:
        program = self._sequence()
        while self._peek() == "|":
            self._at += 1
            other = self._sequence()
            split = Split(1, len(program) + 2)
            program = (split, *_moved(program, 1), Go(len(program) + 2 + len(other)), *_moved(other, len(program) + 2))
        return program

    def _sequence(self) -> tuple[Instruction, ...]:
        program: tuple[Instruction, ...] = ()
        while self._peek() not in ("", "|", ")"):
            part = self._repeated(self._part())
            if len(program) + len(part) > _MOST_INSTRUCTIONS:
                raise self._wrong(f"it has more than {_MOST_INSTRUCTIONS:,} signs when all repetitions are written out")
            program += _moved(part, len(program))
        return program

    def _part(self) -> tuple[Instruction, ...]:
        sign = self._peek()
        self._at += 1
        match sign:
            case "(":
                program = self._alternatives()
                if self._peek() != ")":
                    raise self._wrong("a ')' is missing")
                self._at += 1
                return program
            case "[":
                return (One(self._set()),)
            case "<":
                return self._date()
            case ".":
                return (One(ANY),)
            case "\\":
                return (One(self._escaped()),)
            case "*" | "+":
                self._at -= 1
                raise self._wrong(f"'{sign}' has no bound: write {{1,20}}, or '\\{sign}' for the sign itself")
            case "^" | "$":
                self._at -= 1
                raise self._wrong(f"a pattern is always about the whole line: leave '{sign}' out, or write '\\{sign}'")
            case "?" | "{" | "}" | "]" | ">":
                self._at -= 1
                raise self._wrong(f"'{sign}' follows nothing: write '\\{sign}' for the sign itself")
        return (One(Signs(((sign, sign),))),)

    def _escaped(self) -> Signs:
        sign = self._peek()
        if sign == "d":
            self._at += 1
            return DIGITS
        if not sign or sign not in _SPECIAL + "-":
            raise self._wrong(f"'\\{sign}' means nothing: write 'd' or one of {_SPECIAL} after it")
        self._at += 1
        return Signs(((sign, sign),))

    def _set(self) -> Signs:
        others = self._peek() == "^"
        self._at += others
        ranges: list[tuple[str, str]] = []
        while self._peek() != "]":
            low = self._set_sign()
            if len(low) == 1 and self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
                self._at += 1
                high = self._set_sign()
                if len(high) != 1 or high[0][1] < low[0][0]:
                    raise self._wrong(f"'{low[0][0]}-{high[0][1]}' is no range")
                ranges.append((low[0][0], high[0][1]))
            else:
                ranges += low
        self._at += 1
        if not ranges:
            raise self._wrong("'[]' names no sign")
        return Signs(tuple(ranges), others=others)

    def _set_sign(self) -> tuple[tuple[str, str], ...]:
        sign = self._peek()
        if not sign:
            raise self._wrong("a ']' is missing")
        self._at += 1
        return self._escaped().ranges if sign == "\\" else ((sign, sign),)

    def _repeated(self, part: tuple[Instruction, ...]) -> tuple[Instruction, ...]:
        sign = self._peek()
        if sign == "?":
            self._at += 1
            least, most = 0, 1
        elif sign == "{":
            least, most = self._counts()
        else:
            return part
        if any(isinstance(step, Mark) for step in part) and most > 1:
            raise self._wrong("a date may not be repeated")
        if (len(part) + 1) * most > _MOST_INSTRUCTIONS:
            raise self._wrong(f"it has more than {_MOST_INSTRUCTIONS:,} signs when all repetitions are written out")
        program: tuple[Instruction, ...] = ()
        for _ in range(least):
            program += _moved(part, len(program))
        end = len(program) + (most - least) * (len(part) + 1)
        for _ in range(most - least):
            program += (Split(len(program) + 1, end), *_moved(part, len(program) + 1))
        return program

    def _counts(self) -> tuple[int, int]:
        end = self._text.find("}", self._at)
        least, comma, most = self._text[self._at + 1 : end].partition(",")
        if end < 0 or not least.isascii() or not least.isdigit() or (comma and not (most.isascii() and most.isdigit())):
            raise self._wrong("a repetition looks like {3} or {2,5}")
        counts = int(least), int(most or least)
        if counts[0] > counts[1] or counts[1] == 0:
            raise self._wrong(f"{{{least}{comma}{most}}} repeats nothing")
        self._at = end + 1
        return counts

    def _date(self) -> tuple[Instruction, ...]:
        end = self._text.find(">", self._at)
        if end < 0:
            raise self._wrong("a '>' is missing")
        match = DATE.fullmatch(self._text[self._at : end])
        if match is None:
            raise self._wrong("a date looks like <YYYY-MM-DD> or <expiry:DD.MM.YY>")
        name = match["name"] or "date"
        if name in self._formats:
            raise self._wrong(f"there are two dates '{name}': give them different names, such as <expiry:YYYY-MM-DD>")
        try:
            self._formats[name] = DateFormat.parse(match["format"])
        except ValueError as error:
            raise self._wrong(str(error)) from error
        self._at = end + 1
        inner = _Parser(self._formats[name].pattern)._alternatives()
        return (Mark(name, begins=True), *_moved(inner, 1), Mark(name, begins=False))


def _moved(program: tuple[Instruction, ...], by: int) -> tuple[Instruction, ...]:
    """Return instructions that begin `by` places later."""
    moved: list[Instruction] = []
    for step in program:
        match step:
            case Split(first, second):
                moved.append(Split(first + by, second + by))
            case Go(to):
                moved.append(Go(to + by))
            case _:
                moved.append(step)
    return tuple(moved)
