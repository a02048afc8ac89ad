"""The course of a probe: what is pressed in which order, and what is made of the pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from game_capture.loop import Axis
from game_capture.probe.borders import translucent_panels, within_borders
from game_capture.probe.edges import find_edges
from game_capture.probe.moves import (
    FARTHEST,
    boxes,
    longest_seen,
    not_covered,
    nothing_moved,
    preference,
    series,
    side_px,
    trial_of,
    watched_units,
)
from game_capture.probe.parts import (
    Pair,
    changed_squares,
    crop_of,
    differing_share,
    evidence_of,
    looks_of,
    panels_of,
    parts_of,
    rectangles_of,
)
from game_capture.probe.report import RESTLESS_SHARE, Pause, Report, Tried
from game_capture.probe.resting import at_rest, look_at_rest
from game_capture.probe.rig import Rig
from game_capture.probe.scale import Scale, Trial, scale_of
from game_capture.probe.settling import Settling, waiting_for
from game_capture.probe.sight import ComparerOf, Sight
from game_capture.probe.ways import Way
from game_capture.standing import SQUARE_PX
from imageflow_domain.errors import NoMap
from imageflow_domain.geometry import Offset, Rect

Picture = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""

Tell = Callable[[str, int, int], None]
"""Takes what is done, how much of it, and of how much."""

_WATCHED = 4
"""Moves along each axis that are watched as they settle."""

_MEASURED_WAYS = 3
_WATCH_S = 1.2
_MOST_PAIRS = 16
_PAUSES_MS = (0, 10, 20, 40, 80, 160, 320, 640)
_ROUNDS = 3
_MOST_UNITS = 10
_EXACT_PX = 2.0
_SAFE_PAUSE_MS = 200
_RESTARTS = 3
_FEW_SHARE = 0.1
"""Share of squares that keep changing at their place, up to which they are ignored one by one."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be measured."""

    ways: Sequence[Way]
    """Those that are tried; the best of them is measured."""
    crop: Rect | None
    """The part of the window that shows the map, in its pixels, where it is known."""
    masks: tuple[Rect, ...] = ()
    """Panels that are known already, in pixels of that part."""
    may_park: bool = True
    """Whether the pointer may rest elsewhere than configured."""


class Course:
    """One probe of a rig that is entered."""

    def __init__(self, rig: Rig, asked: Asked, comparer_of: ComparerOf, tell: Tell) -> None:
        self._rig, self._asked, self._comparer_of, self._tell = rig, asked, comparer_of, tell
        self._restless = np.zeros((0, 0), np.bool_)
        self._tried: list[Tried] = []
        self._pairs: list[Pair] = []
        self._restarts = 0
        self._away: dict[tuple[str, Axis], int] = {}
        """Which way, by its units, each way to scroll moved the camera first."""
        self._longest = dict.fromkeys(Axis, 1)
        """The most units of a move that the pictures told of."""
        self._shown: Picture | None = None
        self._sight: Sight | None = None

    def run(self) -> Report:
        """Measure everything but the edges of the world.

        Raises:
            NoMap: Where nothing that is tried moves the camera; the picture is what is shown then.
            GameDied: Where the program ends meanwhile.
        """
        rig = self._rig
        self._restless = self._look_at_rest()
        tried = self._tried = self._try_ways()
        moving = sorted((one for one in tried if one.moves), key=preference)
        if not moving:
            raise NoMap(nothing_moved(tried, float(self._restless.mean())), picture=rig.look())
        evidence = evidence_of(self._pairs)
        parts = parts_of(evidence, self._restless, len(self._pairs))
        moving_part = crop_of(evidence, parts)
        looks = looks_of(self._pairs)
        found = moving_part and within_borders(moving_part, looks)
        whole = Rect(x_px=0, y_px=0, width_px=rig.window.width_px, height_px=rig.window.height_px)
        crop = self._asked.crop or found or whole
        to_crop = Offset(dx_px=-crop.x_px, dy_px=-crop.y_px)
        translucent = tuple(panel.shifted(to_crop) for panel in translucent_panels(crop, looks))
        panels = (*translucent, *not_covered(panels_of(evidence, parts, crop), translucent))
        masks = not_covered(panels, self._asked.masks)
        rig.crop = crop.shifted(Offset(dx_px=rig.window.x_px, dy_px=rig.window.y_px))
        sight = Sight(self._comparer_of, crop, (*self._asked.masks, *masks), self._restless)
        chosen = self._measure_best(moving, sight)
        pause = self._shortest_pause(chosen, sight)
        pause_ms = chosen.way.pause_ms if pause is None else pause.safe_ms
        settlings = self._watch_settling(chosen, pause_ms)
        away = watched_units(chosen.across) * self._away[chosen.way.name, Axis.X]
        rig.go(chosen.way, Axis.X, away)
        rig.look()
        ignored, restless_share = self._restless_parts(crop, (*self._asked.masks, *masks))
        rig.go(chosen.way, Axis.X, -away)
        self._sight = sight
        return Report(
            window=rig.window,
            park=rig.park,
            tried=tuple(tried),
            chosen=chosen,
            pause=pause,
            settle_s=max((one.last_s for one in settlings), default=0.0),
            waiting=waiting_for(settlings, is_restless=restless_share > RESTLESS_SHARE and not rig.flicker_share),
            crop=rig.crop,
            found_crop=found and found.shifted(Offset(dx_px=rig.window.x_px, dy_px=rig.window.y_px)),
            masks=masks,
            ignored=ignored,
            restless_share=restless_share,
            edges=(),
            flicker_share=rig.flicker_share,
            late_s=rig.late_s,
            other_start_share=0.0 if rig.late_s else differing_share(rig.starts, self._restless),
            starts_restless=rig.was_restless,
        )

    def with_edges(self, report: Report) -> Report:
        """Return a report of this course with the edges of the world; raise `GameDied`."""
        assert self._sight is not None  # noqa: S101  there is no report without it
        return replace(report, edges=find_edges(self._rig, report.chosen, self._sight, self._longest, self._tell))

    def _look_at_rest(self) -> NDArray[np.bool_]:
        self._tell("Looking at the picture at rest", 0, 1)
        restless = look_at_rest(self._rig, may_park=self._asked.may_park)
        self._tell("Looking at the picture at rest", 1, 1)
        return restless

    def _try_ways(self) -> list[Tried]:
        tried: list[Tried] = []
        ways = self._asked.ways
        for number, way in enumerate(ways):
            self._tell("Trying ways to scroll", number, len(ways))
            if not (way.is_second_choice and any(one.is_steady for one in tried)):
                tried.append(self._try(way))
        self._tell("Trying ways to scroll", len(ways), len(ways))
        return tried

    def _try(self, way: Way) -> Tried:
        """See what a way does: forth and back along both axes, farther where the first move did nothing."""
        scales: dict[Axis, Scale | None] = dict.fromkeys(Axis)
        for axis in Axis:
            trials: list[Trial] = []
            for units in self._tries(way, axis, trials):
                offset = self._move(way, axis, units, self._seen_anywhere)
                if offset is None:
                    self._start_again()
                    return Tried(way=way, across=scales[Axis.X], down=scales[Axis.Y], changed_otherwise=True)
                trials.append(trial_of(axis, units, offset))
            scales[axis] = scale_of(trials, may_lose=way.may_lose)
            if scales[axis] is None:
                break
        tried = Tried(way=way, across=scales[Axis.X], down=scales[Axis.Y])
        if tried.moves:
            self._rig.save(self._now(), f"tried-{way.name}", f"after {way.name}: {tried}")
        if any(scales.values()) and not tried.is_steady:
            self._start_again()  # it may have left the camera at the world's edge, or still moving
        return tried

    def _tries(self, way: Way, axis: Axis, trials: Sequence[Trial]) -> Iterator[int]:
        """Yield the units of the first moves of an axis, each by what the moves before it did."""
        for units in (way.first_units, way.few_units):
            for sign in (1, -1):
                yield sign * units
                if trials[-1].along_px:
                    # at the world's edge it moves one way only
                    self._away[way.name, axis] = sign
                    yield -sign * units
                    box = self._asked.crop or boxes(self._now())[0]
                    fits = 2 * abs(trials[-1].along_px or 0.0) <= FARTHEST * side_px(box, axis)
                    yield sign * units * (2 if fits else 1)
                    yield -sign * units * (2 if fits else 1)
                    return

    def _start_again(self) -> None:
        """A way that changed the picture may have opened a menu or built a house: the next one begins afresh."""
        self._restarts += 1
        if self._restarts <= _RESTARTS:
            self._rig.restart()
        self._shown = None

    def _now(self) -> Picture:
        """What the window shows, as it was looked at last."""
        if self._shown is None:
            self._shown = self._rig.look()
        return self._shown

    def _move(
        self, way: Way, axis: Axis, units: int, seen: Callable[[Picture, Picture], Offset | None]
    ) -> Offset | None:
        """Move, look, and return how far the camera went; `None` where nothing tells."""
        before = self._now()
        self._rig.go(way, axis, units)
        after = self._shown = self._rig.look(before)
        offset = seen(before, after)
        if offset is not None and max(abs(offset.dx_px), abs(offset.dy_px)) >= SQUARE_PX // 2:
            self._pairs = [*self._pairs[1 - _MOST_PAIRS :], Pair(before=before, after=after, offset=offset)]
        return offset

    def _seen_anywhere(self, before: Picture, after: Picture) -> Offset | None:
        """Compare the known crop, or the middle of the window and then all of it: panels are not known yet."""
        crop = self._asked.crop
        sights = [(crop, self._asked.masks)] if crop else [(box, ()) for box in boxes(before)]
        for box, masks in sights:
            offset = Sight(self._comparer_of, box, masks, self._restless).moved(before, after)
            if offset is not None:
                return offset
        return None

    def _measure_best(self, moving: Sequence[Tried], sight: Sight) -> Tried:
        """Measure the first way that is steady over more moves too, or the least unsteady one of the first few."""
        measured: list[Tried] = []
        for one in moving[:_MEASURED_WAYS]:
            measured.append(self._measure(one.way, sight))
            if measured[-1].is_steady:
                return measured[-1]
        best = min(measured, key=preference)
        return best if best is measured[-1] else self._measure(best.way, sight)

    def _measure(self, way: Way, sight: Sight) -> Tried:
        """Measure a way in moves of several lengths along both axes, forth and back."""
        scales = {}
        for number, axis in enumerate(Axis):
            self._tell("Measuring moves", number, 2)
            first = self._tried_scale(way, axis)
            trials: list[Trial] = []
            for units in series(way, first, side_px(sight.box, axis)):
                sent = units * self._away[way.name, axis]
                offset = self._move(way, axis, sent, sight.moved)
                trials.append(Trial(units=sent, along_px=None) if offset is None else trial_of(axis, sent, offset))
            scales[axis] = scale_of(trials, may_lose=way.may_lose) or first
            self._longest[axis] = longest_seen(trials)
        self._tell("Measuring moves", 2, 2)
        return Tried(way=way, across=scales[Axis.X], down=scales[Axis.Y])

    def _tried_scale(self, way: Way, axis: Axis) -> Scale:
        found = next(one for one in self._tried if one.way == way)
        scale = found.across if axis is Axis.X else found.down
        assert scale is not None  # noqa: S101  ways that move along both axes are measured
        return scale

    def _watch_settling(self, chosen: Tried, pause_ms: int) -> list[Settling]:
        """Watch how pictures settle after moves, with the pause that will be used."""
        way = chosen.way.paused(pause_ms)
        settlings = []
        for number in range(_WATCHED):
            self._tell("Watching pictures settle", number, _WATCHED)
            for axis, scale in ((Axis.X, chosen.across), (Axis.Y, chosen.down)):
                units = watched_units(scale) * self._away[way.name, axis]
                before = self._now()
                self._rig.go(way, axis, units if number % 2 == 0 else -units)
                self._shown, settling = self._rig.watch(before, _WATCH_S)
                settlings.append(settling)
        self._tell("Watching pictures settle", _WATCHED, _WATCHED)
        return settlings

    def _shortest_pause(self, chosen: Tried, sight: Sight) -> Pause | None:
        """Return how short the pause between units may be; `None` where too few units fit into a picture."""
        scale, way = chosen.across, chosen.way
        assert scale is not None  # noqa: S101  a way that is chosen moves along both axes
        units = min(self._longest[Axis.X], _MOST_UNITS) if way.may_lose else self._longest[Axis.X]
        if way.may_lose and units < 2:
            return None
        tried: list[int] = []
        for pause_ms in _PAUSES_MS:
            self._tell("Shortening pauses", len(tried), len(_PAUSES_MS))
            tried.append(pause_ms)
            if self._loses_nothing(way.paused(pause_ms), units * self._away[way.name, Axis.X], scale, sight):
                self._tell("Shortening pauses", len(_PAUSES_MS), len(_PAUSES_MS))
                return Pause(shortest_ms=pause_ms, tried_ms=tuple(tried))
        return Pause(shortest_ms=None, tried_ms=tuple(tried))

    def _loses_nothing(self, way: Way, units: int, scale: Scale, sight: Sight) -> bool:
        unseen = 0
        for sent in (units, -units) * _ROUNDS:
            offset = self._move(way, Axis.X, sent, sight.moved)
            if offset is None:
                unseen += 1
            elif abs(offset.dx_px - scale.expected_px(sent)) > max(_EXACT_PX, 2 * scale.variation_px):
                self._go_back(way, round(offset.dx_px / scale.unit_px) + (units if sent != units else 0))
                return False
        return unseen <= _ROUNDS

    def _go_back(self, way: Way, units: int) -> None:
        """Undo what is left of moves that lost something, so that the camera stays where it began."""
        if units:
            self._rig.go(way.paused(_SAFE_PAUSE_MS), Axis.X, -units)
        self._shown = None

    def _restless_parts(self, crop: Rect, masks: Sequence[Rect]) -> tuple[tuple[Rect, ...], float]:
        """Return what keeps changing at its place, in pixels of the crop, and the share of it that changes elsewhere.

        The camera is somewhere else than where it rested first: what is part of the map has moved on.
        """
        again = changed_squares(at_rest(self._rig))
        shape = again.shape
        hidden = np.zeros(shape, np.bool_)
        for mask in masks:
            left, top = (crop.x_px + mask.x_px) // SQUARE_PX, (crop.y_px + mask.y_px) // SQUARE_PX
            right, bottom = -(-(crop.x_px + mask.right_px) // SQUARE_PX), -(-(crop.y_px + mask.bottom_px) // SQUARE_PX)
            hidden[top:bottom, left:right] = True
        inside = np.zeros(shape, np.bool_)
        inside[
            crop.y_px // SQUARE_PX : crop.bottom_px // SQUARE_PX, crop.x_px // SQUARE_PX : crop.right_px // SQUARE_PX
        ] = 1
        both, either = again & self._restless & inside, (again | self._restless) & inside & ~hidden
        at_place = both if both.mean() < _FEW_SHARE else np.zeros(shape, np.bool_)
        shift = Offset(dx_px=-crop.x_px, dy_px=-crop.y_px)
        here = Rect(x_px=0, y_px=0, width_px=crop.width_px, height_px=crop.height_px)
        ignored = [rect.shifted(shift).intersection(here) for rect in rectangles_of(at_place)]
        share = float((either & ~at_place).sum()) / max(1, int(inside.sum()))
        return tuple(rect for rect in ignored if rect is not None), share
