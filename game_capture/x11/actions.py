"""What `prepare` and `home` are made of: the words for it, and what each does."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, field_validator, model_validator
from typing_extensions import override

from game_capture.grabber import Screen
from game_capture.x11.hands import PAUSE_S, Hands, click, drag, held, press
from game_capture.x11.keys import Key, key_of_character
from game_capture.x11.words import Button, Count, FilePath, Milliseconds, Place, Words
from imageflow_domain.errors import GameNeverSettled
from imageflow_domain.geometry import Rect

Pictures = Mapping[str, NDArray[np.uint8]]
"""The pictures that `if_shown` names: RGB, shape (height, width, 3)."""

_LOOK_S = 0.1
_COLOUR_ERROR = 8
_WHEEL = {"up": 4, "down": 5, "left": 6, "right": 7}


class _Sent(Words, ABC):
    """An action that is keys and mouse alone."""

    @abstractmethod
    def perform(self, hands: Hands) -> None:
        """Send the keys or the mouse, and pause as configured; raise `GameDied`."""


class Press(_Sent):
    """Press a key."""

    key: Key
    """The key, by X's name: `Escape`, `Left`, `7`, `ctrl+p`."""
    count: Count = 1
    """How often."""
    hold_ms: Milliseconds = 0
    """How long each press lasts; 0 taps."""
    pause_ms: Milliseconds = 30
    """After each press."""

    @override
    def perform(self, hands: Hands) -> None:
        press(hands.send, self.key, count=self.count, hold_ms=self.hold_ms, pause_ms=self.pause_ms)


class Type(_Sent):
    """Type a text, one key a character."""

    type: str = Field(min_length=1, max_length=1000)
    """The text, in quotes: `"71,119"`. `{key: Return}` ends it."""
    pause_ms: Milliseconds = 30
    """After each character."""

    @field_validator("type", mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        if isinstance(value, bool | int | float):
            raise ValueError("must be text: put it in quotes, or YAML makes a number of it")
        if isinstance(value, str) and not value.isprintable():
            raise ValueError("must be printable characters: {key: Return} and {key: Tab} are actions of their own")
        return value

    @override
    def perform(self, hands: Hands) -> None:
        for character in self.type:
            press(hands.send, key_of_character(character), count=1, hold_ms=0, pause_ms=self.pause_ms)


class Click(_Sent):
    """Click at a place."""

    at: Place
    """X and Y in pixels of the display."""
    button: Button = 1
    """1 left, 2 middle, 3 right."""
    count: Count = 1
    """How often; 2 is a double click."""
    held: tuple[Key, ...] = Field(default=(), max_length=4)
    """Keys that are held down meanwhile: `[shift]`."""
    hold_ms: Milliseconds = 0
    """How long the button stays down; 0 taps."""
    pause_ms: Milliseconds = 20
    """After each click."""

    @override
    def perform(self, hands: Hands) -> None:
        with held(hands.send, self.held):
            hands.send(f"mousemove {self.at[0]} {self.at[1]}")
            time.sleep(PAUSE_S)
            click(hands.send, self.button, count=self.count, hold_ms=self.hold_ms, pause_ms=self.pause_ms)


class Drag(_Sent):
    """Drag from one place to another."""

    drag: Place
    """Where the button goes down: X and Y in pixels of the display."""
    to: Place
    """Where the button is released."""
    button: Button = 1
    """1 left, 2 middle, 3 right."""
    held: tuple[Key, ...] = Field(default=(), max_length=4)
    """Keys that are held down meanwhile."""
    pause_ms: Milliseconds = 20
    """After each part of the stroke."""

    @override
    def perform(self, hands: Hands) -> None:
        with held(hands.send, self.held):
            drag(hands.send, self.drag, self.to, self.button, pause_ms=self.pause_ms)


class Wheel(_Sent):
    """Turn the mouse wheel."""

    wheel: Literal["up", "down", "left", "right"]
    """Which way."""
    count: Count = 1
    """How many notches."""
    at: Place | None = None
    """Where the pointer is moved first: X and Y in pixels of the display; left where it is by default."""
    held: tuple[Key, ...] = Field(default=(), max_length=4)
    """Keys that are held down meanwhile: `[ctrl]`."""
    pause_ms: Milliseconds = 30
    """After each notch."""

    @override
    def perform(self, hands: Hands) -> None:
        with held(hands.send, self.held):
            if self.at is not None:
                hands.send(f"mousemove {self.at[0]} {self.at[1]}")
                time.sleep(PAUSE_S)
            click(hands.send, _WHEEL[self.wheel], count=self.count, hold_ms=0, pause_ms=self.pause_ms)


class Wait(Words):
    """Do nothing for a while."""

    wait_s: float = Field(gt=0, le=600)
    """How long. `wait_until` is more reliable, and faster."""


class Until(Words):
    """What is waited for. Of several: a change, then the colour, then that the picture stands still."""

    changed: bool = False
    """That the picture is another than before the action that came last."""
    at: Place | None = None
    """A pixel of the display that has a `colour`: reliable where a menu opens late."""
    colour: str | None = Field(default=None, pattern=r"^#[0-9A-Fa-f]{6}$")
    """Red, green and blue of that pixel, in quotes: `"#7ab3dd"`; each may differ by 8."""
    still: bool = False
    """That the picture stands still."""
    for_s: float = Field(default=0.5, gt=0, le=60)
    """How long it must stand still."""
    within: Rect | None = None
    """The part of the display that is looked at; by default all of it."""
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    """After this time the start has failed, and the action is named; it is tried once more. On slow machines
    `IMAGEFLOW_GAME_START_TIMEOUT_S` waits longer."""

    @model_validator(mode="after")
    def _waits_for_something(self) -> "Until":
        if (self.at is None) != (self.colour is None):
            raise ValueError("must have both at and colour, or none of them")
        if not (self.changed or self.still or self.at):
            raise ValueError('must have still: true, changed: true, or at: [X, Y] with colour: "#RRGGBB"')
        if self.still and self.for_s >= self.timeout_s:
            raise ValueError("must have a timeout_s above for_s")
        return self


class WaitUntil(Words):
    """Wait until the picture changed, a pixel has a colour, or the picture stands still."""

    wait_until: Until
    """`{changed: true}`, `{still: true}`, `{at: [X, Y], colour: "#RRGGBB"}`, or several of them."""


_PLAIN = (Press, Type, Click, Drag, Wheel, Wait, WaitUntil)


def _tag_among(*models: type[Words]) -> Callable[[Any], str | None]:
    words = {next(iter(model.model_fields)): model for model in models}

    def tag(value: Any) -> str | None:
        if not isinstance(value, dict):
            return next((word for word, model in words.items() if isinstance(value, model)), None)
        return next((word for word in _in_order(words) if word in value), None)

    return tag


def _in_order(words: Mapping[str, Any]) -> list[str]:
    """Put those last that are settings of other actions too: a wheel has a place, and `if_shown` may wait."""
    return sorted(words, key=lambda word: word in {"at", "wait_s"})


Plain = Annotated[
    Annotated[Press, Tag("key")]
    | Annotated[Type, Tag("type")]
    | Annotated[Click, Tag("at")]
    | Annotated[Drag, Tag("drag")]
    | Annotated[Wheel, Tag("wheel")]
    | Annotated[Wait, Tag("wait_s")]
    | Annotated[WaitUntil, Tag("wait_until")],
    Discriminator(_tag_among(*_PLAIN)),
]


class IfShown(Words):
    """Do something only where the display shows a picture, such as a dialog that does not always come."""

    if_shown: FilePath
    """A picture beside the game's YAML: a part of what the display shows, cut from a PNG screenshot of it."""
    then: tuple[Plain, ...] = Field(min_length=1, max_length=1000)
    """The actions, as in `prepare`, but for another `if_shown`."""
    within: Rect | None = None
    """The part of the display in which it is looked for; by default all of it."""
    wait_s: float = Field(default=0.0, ge=0, le=600)
    """How long it is waited for; 0 looks once."""
    tolerance: float = Field(default=12.0, ge=0, le=128)
    """How far the pixels may differ on average, in grey levels (root mean square)."""


Action = Annotated[
    Annotated[Press, Tag("key")]
    | Annotated[Type, Tag("type")]
    | Annotated[Click, Tag("at")]
    | Annotated[Drag, Tag("drag")]
    | Annotated[Wheel, Tag("wheel")]
    | Annotated[Wait, Tag("wait_s")]
    | Annotated[WaitUntil, Tag("wait_until")]
    | Annotated[IfShown, Tag("if_shown")],
    Discriminator(_tag_among(*_PLAIN, IfShown)),
]
ACTIONS = (*_PLAIN, IfShown)
"""Every action, in the order in which the docs name them."""


def named_pictures(actions: Sequence[Action]) -> tuple[str, ...]:
    """Return the files that `if_shown` names."""
    return tuple(dict.fromkeys(action.if_shown for action in actions if isinstance(action, IfShown)))


def perform(
    actions: Sequence[Action],
    hands: Hands,
    pictures: Pictures,
    *,
    where: str,
    least_timeout_s: float = 0.0,
    done: Callable[[str, Action], None] | None = None,
) -> None:
    """Do one action after the other.

    Args:
        where: The setting that lists them; messages name it.
        least_timeout_s: Each `wait_until` waits at least this long, for slow machines.
        done: Called after each with its place in the settings, such as `prepare.3`.

    Raises:
        GameDied: As the hands have it.
        GameNeverSettled: Where the picture does not do in time what `wait_until` waits for.
    """
    before: Screen | None = None
    for index, action in enumerate(actions):
        here = f"{where}.{index}"
        match action:
            case WaitUntil():
                until = action.wait_until
                patient = until.model_copy(update={"timeout_s": max(until.timeout_s, least_timeout_s)})
                _wait_until(patient, hands, before, here)
            case Wait():
                time.sleep(action.wait_s)
            case _:
                if _awaits_change(actions[index + 1 :]):
                    before = hands.grab(hands.screen)
                if isinstance(action, IfShown):
                    if _is_shown(action, hands, pictures[action.if_shown]):
                        then = f"{here}.then"
                        perform(action.then, hands, pictures, where=then, least_timeout_s=least_timeout_s, done=done)
                else:
                    action.perform(hands)
        if done is not None:
            done(here, action)


def _awaits_change(following: Sequence[Action]) -> bool:
    """Whether the next action that is not a plain wait looks for a change."""
    coming = next((action for action in following if not isinstance(action, Wait)), None)
    return isinstance(coming, WaitUntil) and coming.wait_until.changed


def _wait_until(until: Until, hands: Hands, before: Screen | None, where: str) -> None:
    part = until.within or hands.screen
    deadline = time.monotonic() + until.timeout_s
    if until.changed:
        old = hands.grab(part) if before is None else _cut(before, part)
        while np.array_equal(hands.grab(part), old):
            if time.monotonic() > deadline:
                raise GameNeverSettled(
                    f"{where}: the picture did not change within {until.timeout_s:g} s: see that the action before it "
                    "does something, or wait longer by timeout_s."
                )
            time.sleep(_LOOK_S)
    if until.at is not None and until.colour is not None:
        _wait_until_coloured(until, until.at, bytes.fromhex(until.colour[1:]), hands, deadline, where)
    if until.still:
        _wait_until_still(until, part, hands, deadline, where)


def _wait_until_coloured(until: Until, at: Place, colour: bytes, hands: Hands, deadline: float, where: str) -> None:
    pixel = Rect(x_px=at[0], y_px=at[1], width_px=1, height_px=1)
    wanted = np.frombuffer(colour, np.uint8).astype(np.int16)
    while True:
        shown = hands.grab(pixel)[0, 0, 2::-1]
        if np.abs(shown - wanted).max() <= _COLOUR_ERROR:
            return
        if time.monotonic() > deadline:
            raise GameNeverSettled(
                f"{where}: the pixel at {at[0]},{at[1]} is #{bytes(shown).hex()} and not {until.colour}, after "
                f"{until.timeout_s:g} s: see that the actions before it lead there, or wait longer by timeout_s."
            )
        time.sleep(_LOOK_S)


def _wait_until_still(until: Until, part: Rect, hands: Hands, deadline: float, where: str) -> None:
    last, since = hands.grab(part), time.monotonic()
    while time.monotonic() - since < until.for_s:
        time.sleep(_LOOK_S)
        now = hands.grab(part)
        if not np.array_equal(now, last):
            last, since = now, time.monotonic()
        if time.monotonic() > deadline:
            raise GameNeverSettled(
                f"{where}: the picture did not stand still for {until.for_s:g} s within {until.timeout_s:g} s. In a "
                "game that goes on it never does: wait for a pixel's colour (at, colour), look at a part of the window "
                "(within), or use {wait_s: 5}. A slow start needs a longer timeout_s."
            )


def _is_shown(action: IfShown, hands: Hands, picture: NDArray[np.uint8]) -> bool:
    part = action.within or hands.screen
    deadline = time.monotonic() + action.wait_s
    while not contains(hands.grab(part), picture, tolerance=action.tolerance):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_S)
    return True


def contains(screen: Screen, picture: NDArray[np.uint8], *, tolerance: float) -> bool:
    """Whether a screen shows a picture somewhere, to `tolerance` grey levels (root mean square).

    Args:
        picture: RGB, uint8, shape (height, width, 3).
    """
    if screen.shape[0] < picture.shape[0] or screen.shape[1] < picture.shape[1]:
        return False
    shown = cv2.cvtColor(screen, cv2.COLOR_BGRA2RGB)
    squares = cv2.matchTemplate(shown, picture, cv2.TM_SQDIFF)
    _, _, best, _ = cv2.minMaxLoc(squares)
    y, x = best[1], best[0]
    # the correlation by which OpenCV finds the place rounds: the place itself is compared exactly
    there = shown[y : y + picture.shape[0], x : x + picture.shape[1]].astype(np.float64)
    return bool(np.sqrt(np.mean((there - picture) ** 2)) <= tolerance)


def _cut(screen: Screen, part: Rect) -> Screen:
    return screen[part.y_px : part.bottom_px, part.x_px : part.right_px]
