"""Which squares of the map placed shots touch, and in which order to compose them so that each shot is decoded once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from imageflow_domain.geometry import Rect
from imageflow_domain.tiles import SQUARE_PX
from imageflow_mosaic.codec import Pixels
from imageflow_mosaic.compose import Canvas, PlacedShot, compose


@dataclass(frozen=True, kw_only=True)
class Square:
    """One square to compose; numbers count the shots given to `plan_squares` from 0."""

    rect: Rect
    """`SQUARE_PX` wide and high, on multiples of it."""
    shots: tuple[int, ...]
    """Those that touch it, never empty."""
    last_of: tuple[int, ...]
    """Those that no later square needs."""


def plan_squares(shots: Sequence[Rect], bounds: Rect | None = None) -> list[Square]:
    """Return every square that a shot touches, row by row.

    Args:
        shots: Where the shots lie, in pixels of the frame.
        bounds: Squares that do not touch it are left out; `None`: none are.
    """
    touching: dict[tuple[int, int], list[int]] = {}
    for number, shot in enumerate(shots):
        for y in range(shot.y_px // SQUARE_PX, (shot.bottom_px - 1) // SQUARE_PX + 1):
            for x in range(shot.x_px // SQUARE_PX, (shot.right_px - 1) // SQUARE_PX + 1):
                touching.setdefault((y, x), []).append(number)
    wanted = {
        place: numbers for place, numbers in sorted(touching.items()) if not bounds or _rect(place).intersection(bounds)
    }
    last_place = {number: place for place, numbers in wanted.items() for number in numbers}
    return [
        Square(
            rect=_rect(place),
            shots=tuple(numbers),
            last_of=tuple(number for number in numbers if last_place[number] == place),
        )
        for place, numbers in wanted.items()
    ]


def compose_squares(
    shots: Sequence[Rect],
    load: Callable[[int], Pixels],
    *,
    bounds: Rect | None = None,
    masks: Sequence[Rect] = (),
) -> Iterator[Canvas]:
    """Yield every square that a shot touches, composed, row by row.

    Args:
        shots: Where the shots lie, in pixels of the frame.
        load: Returns the RGB pixels of the shot of that number; called once a shot, just before its first square, and
            let go after its last.
        bounds: As for `plan_squares`.
        masks: As for `compose`.
    """
    held: dict[int, PlacedShot] = {}
    for square in plan_squares(shots, bounds):
        for number in square.shots:
            if number not in held:
                place = shots[number]
                held[number] = PlacedShot(x_px=place.x_px, y_px=place.y_px, pixels=load(number))
        yield compose([held[number] for number in square.shots], square.rect, masks)
        for number in square.last_of:
            del held[number]


def _rect(place: tuple[int, int]) -> Rect:
    y, x = place
    return Rect(x_px=x * SQUARE_PX, y_px=y * SQUARE_PX, width_px=SQUARE_PX, height_px=SQUARE_PX)
