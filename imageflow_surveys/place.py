"""Place all screenshots of a survey in its save's frame, and say which tiles will need which."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from imageflow_clients.database import Connection, layers, placements, screenshots, tiles
from imageflow_clients.database import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import NotReady
from imageflow_domain.geometry import Offset, Rect, Size
from imageflow_domain.grid import Cell
from imageflow_domain.placement import DroppedOffset, Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_domain.survey import Layer, Mosaic, Survey
from imageflow_domain.tiles import Frame, TileId, first_frame, tiles_touching
from imageflow_mosaic.ambiguity import settle_ambiguous
from imageflow_mosaic.encoding import revision_signature
from imageflow_mosaic.placement import place
from imageflow_surveys.shared_frame import shift_into_frame
from imageflow_surveys.shots import Shots, shots_of


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a survey's screenshots lie, in pixels of its frame."""

    placements: tuple[Placement, ...]
    dropped: tuple[DroppedOffset, ...]
    mosaic: Mosaic
    new_frame: bool
    """The save had no frame yet, or this survey does not agree with its latest one."""

    def count(self, status: PlacementStatus) -> int:
        return sum(place.status is status for place in self.placements)


def place_survey(stores: Stores, survey: Survey) -> Placed:
    """Solve for all positions, bring them into the save's frame, and store them in one transaction.

    Raises:
        NotReady: Where screenshots or offsets of a block are missing.
    """
    with stores.database.begin() as connection:
        _check_ready(connection, survey)
        areas = rows.areas(connection, survey.id)
        pairs = placements.offsets(connection, survey.id)
    shots = shots_of(stores, survey)
    solution = place(areas, pairs, reach_px=survey.reach_px)
    places = settle_ambiguous(solution, areas, shots.load, masks=survey.spec.masks, reach_px=survey.reach_px)
    bounds = _bounds(places, survey.view)
    frame, shift, new_frame = _frame(stores, survey, shots, areas, places, bounds)
    places = tuple(replace(p, x_px=p.x_px + shift.dx_px, y_px=p.y_px + shift.dy_px) for p in places)
    bounds = bounds.shifted(shift)
    placed = Placed(
        placements=places,
        dropped=solution.dropped,
        mosaic=Mosaic(frame=frame, bounds=bounds, shift=shift, revision=_revision(survey, frame, places, shots)),
        new_frame=new_frame,
    )
    _store(stores, survey, placed)
    return placed


def _check_ready(connection: Connection, survey: Survey) -> None:
    progress = layers.progress(connection, survey.id)
    for layer in (Layer.SCREENSHOTS, Layer.PAIR_OFFSETS):
        missing = sorted(progress.blocks - progress.done_blocks[layer])
        if missing:
            named = ", ".join(block.key for block in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise NotReady(f"'{survey.id}' lacks {layer} of block {named}{more}: materialise these first.")


def _frame(
    stores: Stores,
    survey: Survey,
    shots: Shots,
    areas: Sequence[Area],
    places: Sequence[Placement],
    bounds: Rect,
) -> tuple[Frame, Offset, bool]:
    """Return the frame, the shift from the solved plane into it, and whether it is new.

    A survey that is placed again keeps its frame where it fits; a later one joins the save's latest where they agree.
    """
    with stores.database.begin() as connection:
        latest = _latest_published(connection, survey)
    if latest is not None:
        frame = latest.published().frame
        shift = shift_into_frame(stores, latest, survey, shots, areas, places)
        if shift is not None and _fits(bounds.shifted(shift), frame):
            return frame, shift, False
    with stores.database.begin() as connection:
        number = _own_frame(connection, survey) or rows.begin_frame(connection, survey.spec.game, survey.spec.save)
    frame, shift = first_frame(bounds, number)
    return frame, shift, True


def _latest_published(connection: Connection, survey: Survey) -> Survey | None:
    """Return the save's latest survey, or the newest other one while that is placed anew and not published yet."""
    game, save = survey.spec.game, survey.spec.save
    latest = rows.latest(connection, game, save)
    if latest is None or latest.is_published:
        return latest
    return next((other for other in rows.find(connection, game=game, save=save) if other.is_published), None)


def _own_frame(connection: Connection, survey: Survey) -> int | None:
    """Return the number of the frame that an earlier placement opened for this survey and that no other one joined."""
    if survey.mosaic is None:
        return None
    others = rows.find(connection, game=survey.spec.game, save=survey.spec.save)
    taken = {other.mosaic.frame.number for other in others if other.mosaic is not None and other.id != survey.id}
    number = survey.mosaic.frame.number
    return None if number in taken else number


def _fits(bounds: Rect, frame: Frame) -> bool:
    return min(bounds.x_px, bounds.y_px) >= 0 and max(bounds.right_px, bounds.bottom_px) <= frame.side_px


def _bounds(places: Sequence[Placement], view: Size) -> Rect:
    left, top = min(p.x_px for p in places), min(p.y_px for p in places)
    return Rect(
        x_px=left,
        y_px=top,
        width_px=max(p.x_px for p in places) + view.width_px - left,
        height_px=max(p.y_px for p in places) + view.height_px - top,
    )


def _revision(survey: Survey, frame: Frame, places: Sequence[Placement], shots: Shots) -> str:
    """Digest of all that decides a tile's pixels: its addresses are cached for good."""
    facts = {
        "encoding": revision_signature(survey.spec.encoding),
        "frame": [frame.number, frame.native_zoom],
        "masks": [mask.model_dump() for mask in survey.spec.masks],
        "shots": [[p.cell.row, p.cell.col, p.x_px, p.y_px, p.status, shots.stored[p.cell].digest] for p in places],
    }
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _store(stores: Stores, survey: Survey, placed: Placed) -> None:
    needs = _dependencies(survey, placed)
    usage = Counter(area for areas in needs.values() for area in areas)
    cells = {survey.area_id(p.cell): p.cell for p in placed.placements}
    with stores.database.begin() as connection:
        placements.replace_placements(connection, survey.id, placed.placements, placed.dropped)
        tiles.replace_dependencies(
            connection, survey.id, needs, {cells[area]: required for area, required in usage.items()}
        )
        rows.mark_placed(connection, survey.id, placed.mosaic)
        screenshots.mark_placed(connection, survey.id)


def _dependencies(survey: Survey, placed: Placed) -> Mapping[TileId, Sequence[int]]:
    """Return for each native tile the areas whose screenshots show some of it: what a mask hides shows nothing."""
    zoom = placed.mosaic.frame.native_zoom
    seen = visible_parts(survey.view, survey.spec.masks)
    needs: dict[TileId, list[int]] = {}
    for place_ in placed.placements:
        corner = Offset(dx_px=place_.x_px, dy_px=place_.y_px)
        for tile in sorted({t for part in seen for t in tiles_touching(part.shifted(corner), zoom, zoom)}):
            needs.setdefault(tile, []).append(survey.area_id(place_.cell))
    return needs


def visible_parts(view: Size, masks: Sequence[Rect]) -> tuple[Rect, ...]:
    """Return what masks leave of a picture, in its own pixels."""
    return Rect(x_px=0, y_px=0, width_px=view.width_px, height_px=view.height_px).without(masks)


def shot_rect(view: Size, place_: Placement) -> Rect:
    """The pixels of the frame that a placed screenshot covers."""
    return Rect(x_px=place_.x_px, y_px=place_.y_px, width_px=view.width_px, height_px=view.height_px)


def shots_in(view: Size, places: Sequence[Placement], rect: Rect) -> tuple[Cell, ...]:
    """The areas whose screenshots touch a rectangle of the frame."""
    return tuple(p.cell for p in places if shot_rect(view, p).intersection(rect) is not None)
