"""Place all screenshots of a survey in its save's frame, and say which tiles will need which."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from imageflow_clients.database import Connection
from imageflow_clients.database.maps import dependencies, layers, placements, saves, screenshots, sightings, tiles
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.capture import Turn, Uncertainty
from imageflow_domain.errors import NothingAnchored, NotReady
from imageflow_domain.geometry import Offset, Rect, Size
from imageflow_domain.placement import DroppedOffset, Placement, PlacementStatus
from imageflow_domain.ports import Area
from imageflow_domain.survey import Encoding, Fidelity, Layer, Mosaic, Survey
from imageflow_domain.tiles import SQUARE_PX, Frame, first_frame
from imageflow_mosaic.encoding import revision_signature
from imageflow_mosaic.placing import place_shots
from imageflow_mosaic.search import Searched
from imageflow_surveys.needs import needs
from imageflow_surveys.overlays import once_asked
from imageflow_surveys.seen_areas import SeenArea, seen_areas, uncertainty_of
from imageflow_surveys.shared_frame import shift_into_frame
from imageflow_surveys.shots import Shots, shots_of
from imageflow_surveys.trust import judge_anchored


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a survey's screenshots lie, in pixels of its frame."""

    placements: tuple[Placement, ...]
    dropped: tuple[DroppedOffset, ...]
    searched: Searched
    """What came of the search for screenshots that neighbours did not tie to the map."""
    mosaic: Mosaic
    new_frame: bool
    """The save had no frame yet, or this survey does not agree with its latest one."""

    def count(self, status: PlacementStatus) -> int:
        """Return how many screenshots have this status."""
        return sum(place.status is status for place in self.placements)


def place_survey(stores: Stores, survey: Survey) -> Placed:
    """Solve for all positions, bring them into the save's frame, and store them in one transaction.

    The frame is that of the save's latest survey where both agree; of one that is placed and not published yet, where
    the save has no map so far.

    Raises:
        NotReady: Where screenshots or offsets of a block are missing, or no area has a screenshot.
        NothingAnchored: Where no two screenshots are tied to one another; nothing is stored then.
        ObjectMissing: Where a screenshot that is looked at, or a tile of the survey whose frame it joins, is gone.
        ObjectDamaged: Where it is not what was stored.
    """
    with stores.database.begin() as connection:
        _check_ready(connection, survey)
        seen = seen_areas(connection, survey)
        pairs = placements.offsets(connection, survey.id, searched=False)
        planned = rows.count_areas(connection, survey.id)
        turn = sightings.turn(connection, survey.id)
    areas = [one.area for one in seen]
    if not areas:
        raise NotReady(
            f"'{survey.id}' has no screenshot at all: its areas lie outside the world, or showed nothing. See where "
            "the game's home is, and survey again."
        )
    shots = shots_of(stores, survey)
    reaches = {one.cell: search_reach(survey, one, turn) for one in seen}
    shots_placed = place_shots(
        areas,
        pairs,
        shots.load,
        view=survey.view,
        masks=survey.spec.masks,
        reach_px=survey.reach_px,
        reach=reaches.__getitem__,
        overlays=once_asked(stores, survey),
    )
    solution, places = shots_placed.solution, shots_placed.placements
    _check_anchored(stores, survey, places, planned)
    bounds = _bounds(places, survey.view)
    with stores.database.begin() as connection:
        # One after another: the first survey of a save opens its frame, and whoever comes second joins it.
        saves.lock_frames(connection, survey.spec.game, survey.spec.save)
        frame, shift, new_frame = _frame(stores, survey, shots, areas, places, bounds)
        places = tuple(replace(p, x_px=p.x_px + shift.dx_px, y_px=p.y_px + shift.dy_px) for p in places)
        digest = _digest(survey, frame, places, shots, solution.fidelity)
        placed = Placed(
            placements=places,
            dropped=solution.dropped,
            searched=shots_placed.searched,
            mosaic=Mosaic(
                frame=frame,
                bounds=bounds.shifted(shift),
                shift=shift,
                placement=digest,
                revision=revision_of(digest, survey.spec.encoding, solution.fidelity),
                fidelity=solution.fidelity,
            ),
            new_frame=new_frame,
        )
        _store(connection, survey, placed)
    return placed


def _check_ready(connection: Connection, survey: Survey) -> None:
    progress = layers.progress(connection, survey.id)
    for layer in (Layer.SCREENSHOTS, Layer.PAIR_OFFSETS):
        missing = sorted(progress.blocks - progress.done_blocks[layer])
        if missing:
            named = ", ".join(block.key for block in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise NotReady(f"'{survey.id}' lacks {layer} of block {named}{more}: materialise these first.")


def search_reach(survey: Survey, seen: SeenArea, turn: Turn) -> Uncertainty:
    """Return how far from its believed place a screenshot is searched for that nothing ties to the map.

    As far as its position is unsure, and a view around at least: within its uncertainty it was not found. Less than
    half a turn in a world that wraps around, where the same land comes again after a whole one.
    """
    unsure, view = uncertainty_of(survey, seen), survey.view
    return Uncertainty(
        x_px=min(max(unsure.x_px, float(view.width_px)), _half(turn.x_px)),
        y_px=min(max(unsure.y_px, float(view.height_px)), _half(turn.y_px)),
    )


def _half(turn_px: float | None) -> float:
    return inf if turn_px is None else turn_px / 2 - 1


def _check_anchored(stores: Stores, survey: Survey, places: Sequence[Placement], planned: int) -> None:
    """Raise `NothingAnchored` for a survey of several areas of which no two screenshots are tied to one another."""
    anchored = sum(place.status is PlacementStatus.ANCHORED for place in places)
    if anchored > 1 or planned == 1:
        return
    with stores.database.begin() as connection:
        refused = placements.refused(connection, survey.id)
    raise NothingAnchored(
        f"No two of the {len(places)} screenshots of '{survey.id}' ({planned} areas) are tied to one another, so that "
        f"there is no map.{judge_anchored(places, refused, survey.reach_px).causes.text} The screenshots are kept."
    )


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
        other = _whose_frame(connection, survey)
    if other is not None:
        frame = other.placed().frame
        overlays = once_asked(stores, survey)
        shift = shift_into_frame(stores, other, survey, shots, areas, places, overlays)
        if shift is not None and _fits(bounds.shifted(shift), frame):
            return frame, shift, False
    with stores.database.begin() as connection:
        number = _own_frame(connection, survey) or saves.begin_frame(connection, survey.spec.game, survey.spec.save)
    frame, shift = first_frame(bounds, number)
    return frame, shift, True


def _whose_frame(connection: Connection, survey: Survey) -> Survey | None:
    """Return the save's latest survey, or the newest other one while that is placed anew and not published yet.

    Of a save without a map: the oldest other survey that is placed and still has its screenshots.
    """
    game, save = survey.spec.game, survey.spec.save
    latest = saves.latest(connection, game, save)
    if latest is not None and latest.is_published:
        return latest
    others = [other for other in rows.find(connection, game=game, save=save) if other.id != survey.id]
    published = next((other for other in others if other.is_published), None)
    if published is not None or latest is not None:
        return published
    return next((other for other in reversed(others) if other.mosaic is not None), None)


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


def _digest(survey: Survey, frame: Frame, places: Sequence[Placement], shots: Shots, fidelity: Fidelity) -> str:
    """Digest of all that decides a tile's pixels, but for its encoder."""
    facts: dict[str, object] = {
        "frame": [frame.number, frame.native_zoom],
        "masks": [mask.model_dump() for mask in survey.spec.masks],
        "shots": [[p.cell.row, p.cell.col, p.x_px, p.y_px, p.status, shots.row(p.cell).digest] for p in places],
    }
    if not fidelity.is_lossless:
        facts["noise"] = fidelity.noise
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def revision_of(placement: str, encoding: Encoding, fidelity: Fidelity) -> str:
    """Name a placement with an encoding and this version of the code: its addresses are cached for good.

    Args:
        placement: Digest of the placed screenshots.
    """
    return hashlib.blake2b(f"{placement} {_signature(encoding, fidelity)}".encode(), digest_size=16).hexdigest()


def _signature(encoding: Encoding, fidelity: Fidelity) -> str:
    return revision_signature(encoding, lossy=not fidelity.is_lossless)


def _store(connection: Connection, survey: Survey, placed: Placed) -> None:
    corners = {p.cell: Offset(dx_px=p.x_px, dy_px=p.y_px) for p in placed.placements}
    required = needs(survey, placed.mosaic.frame.native_zoom, corners)
    usage = Counter(area for areas in required.values() for area in areas)
    cells = {survey.area_id(p.cell): p.cell for p in placed.placements}
    placements.replace_searched(connection, survey.id, placed.searched.offsets)
    placements.replace_placements(connection, survey.id, placed.placements, placed.dropped)
    dependencies.settle(connection, survey.id, required, {cells[area]: tiles_ for area, tiles_ in usage.items()})
    rows.mark_placed(connection, survey.id, placed.mosaic)
    screenshots.mark_placed(connection, survey.id)
    open_tile_layer(connection, survey, placed.mosaic)


def open_tile_layer(connection: Connection, survey: Survey, mosaic: Mosaic) -> None:
    """Begin the layer of a revision's tiles over the newest whole one in the same frame: its own, else the save's.

    A layer that reaches beyond the mosaic is none to begin over: it would show through there.
    """
    base = None
    for shown in (rows.get(connection, survey.id), saves.latest(connection, survey.spec.game, survey.spec.save)):
        if shown is None or shown.published_revision is None or shown.mosaic is None:
            continue
        is_itself = shown.id == survey.id and shown.published_revision == mosaic.revision
        if not is_itself and shown.mosaic.frame == mosaic.frame and _covers(mosaic.bounds, shown.mosaic.bounds):
            base = tiles.find_layer(connection, shown.id, shown.published_revision, keep=True)
            break
    tiles.open_layer(
        connection,
        survey.id,
        mosaic.revision,
        placement=mosaic.placement,
        encoding=_signature(survey.spec.encoding, mosaic.fidelity),
        base=base,
    )


def _covers(outer: Rect, inner: Rect) -> bool:
    """Whether every square that `inner` touches is one that `outer` touches."""
    return (
        outer.x_px // SQUARE_PX <= inner.x_px // SQUARE_PX
        and outer.y_px // SQUARE_PX <= inner.y_px // SQUARE_PX
        and (outer.right_px - 1) // SQUARE_PX >= (inner.right_px - 1) // SQUARE_PX
        and (outer.bottom_px - 1) // SQUARE_PX >= (inner.bottom_px - 1) // SQUARE_PX
    )
