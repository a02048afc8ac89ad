"""Findings are told in figures, with no more offenders than a page shows."""

from dataclasses import replace

from imageflow_domain.geometry import Offset
from imageflow_domain.grid import Cell
from imageflow_domain.placement import (
    DroppedOffset,
    OpenLoop,
    PairOffset,
    PairRefusal,
    Placement,
    PlacementStatus,
    RefusedPair,
)
from imageflow_gateway.rest.maps.findings_schema import finding_facts
from imageflow_surveys.findings import (
    Causes,
    DecisiveOffsetsKept,
    LoopsClose,
    MostlyAnchored,
    OneGroup,
    PositionsHold,
    ShotsPlaced,
    TiedGroup,
)
from imageflow_surveys.trust import judge_anchored, judge_groups
from imageflow_surveys.trust_report import ReportedFinding

HERE, THERE = Cell(row=0, col=1), Cell(row=1, col=1)
PAIR = PairOffset(
    reference=HERE,
    moving=THERE,
    offset=Offset(dx_px=0, dy_px=600),
    votes=9,
    agreement=1.0,
    compared_px=1000,
    decisive=True,
)


def _place(cell: Cell, status: PlacementStatus, confidence: float, group: int) -> Placement:
    return Placement(cell=cell, x_px=0, y_px=0, confidence=confidence, status=status, group=group)


def _told(found: ReportedFinding) -> dict[str, object]:
    return finding_facts(found).model_dump(mode="json", exclude={"text"})


def test_each_finding_names_its_offenders_and_counts_what_it_looked_at() -> None:
    here, there = {"row": 0, "col": 1}, {"row": 1, "col": 1}
    assert _told(LoopsClose(loops=(OpenLoop(pairs=(PAIR,), misclosure=Offset(dx_px=3, dy_px=-1)),), offsets=7)) == {
        "name": "loops_close",
        "holds": False,
        "severity": "error",
        "offsets": 7,
        "offenders": [{"areas": [here, there], "dx": 3, "dy": -1}],
        "offenders_in_all": 1,
    }
    assert _told(ShotsPlaced(unplaced=(THERE,), screenshots=9)) == {
        "name": "shots_placed",
        "holds": False,
        "severity": "error",
        "screenshots": 9,
        "offenders": [there],
        "offenders_in_all": 1,
    }
    assert _told(DecisiveOffsetsKept(decisive=(DroppedOffset(pair=PAIR, residual_px=2.5),), dropped=4)) == {
        "name": "decisive_offsets_kept",
        "holds": False,
        "severity": "error",
        "dropped": 4,
        "offenders": [{"area": here, "other": there, "off_px": 2.5}],
        "offenders_in_all": 1,
    }
    assert _told(OneGroup(others=(TiedGroup(group=2, screenshots=3),))) == {
        "name": "one_group",
        "holds": False,
        "severity": "warn",
        "offenders": [{"group": 2, "screenshots": 3}],
        "offenders_in_all": 1,
    }
    found = replace(_place(THERE, PlacementStatus.ANCHORED, 1.0, 0), found_off=Offset(dx_px=-320, dy_px=160))
    assert _told(PositionsHold(found=(found,), screenshots=9, reach_px=64)) == {
        "name": "positions_hold",
        "holds": False,
        "severity": "warn",
        "screenshots": 9,
        "reach_px": 64,
        "farthest_px": 320,
        "offenders": [{"area": there, "dx": -320, "dy": 160}],
        "offenders_in_all": 1,
    }
    assert PositionsHold(found=(found,), screenshots=9, reach_px=320).holds


def test_placements_are_judged_by_their_status_and_group() -> None:
    places = [
        _place(HERE, PlacementStatus.ANCHORED, 1.0, 0),
        _place(THERE, PlacementStatus.AMBIGUOUS, 0.25, 1),
        _place(Cell(row=2, col=1), PlacementStatus.AMBIGUOUS, 0.5, 1),
        _place(Cell(row=3, col=1), PlacementStatus.UNPLACED, 0.0, 2),
    ]
    refused = [
        RefusedPair(reference=HERE, moving=THERE, reason=PairRefusal.PLAIN),
        RefusedPair(reference=THERE, moving=Cell(row=2, col=1), reason=PairRefusal.PLAIN),
        RefusedPair(reference=Cell(row=2, col=1), moving=Cell(row=3, col=1), reason=PairRefusal.LITTLE_OVERLAP),
        RefusedPair(reference=HERE, moving=Cell(row=0, col=1), reason=PairRefusal.DIFFERENT),
    ]
    anchored = _told(judge_anchored(places, refused, reach_px=160))
    assert anchored["overlaps"] == {"plain": 2, "little_overlap": 1}, "one that lies between anchored ones is no cause"
    assert anchored["reach_px"] == 160
    assert (anchored["holds"], anchored["share"], anchored["wanted_share"]) == (False, 0.25, 0.9)
    assert anchored["offenders"] == [
        {"area": {"row": 3, "col": 1}, "status": "unplaced", "confidence": 0.0},
        {"area": {"row": 1, "col": 1}, "status": "ambiguous", "confidence": 0.25},
        {"area": {"row": 2, "col": 1}, "status": "ambiguous", "confidence": 0.5},
    ]
    groups = _told(judge_groups(places))
    assert groups["offenders"] == [{"group": 1, "screenshots": 2}], "a shot alone is no group"


def test_a_thousand_offenders_are_counted_and_a_hundred_told() -> None:
    unsure = tuple(_place(Cell(row=n, col=0), PlacementStatus.AMBIGUOUS, 0.5, 1) for n in range(1000))
    causes = Causes(overlaps={PairRefusal.LITTLE_OVERLAP: 900, PairRefusal.REPEATED: 1}, reach_px=40)
    told = finding_facts(MostlyAnchored(unsure=unsure, screenshots=1000, causes=causes))
    assert (len(told.offenders), told.offenders_in_all) == (100, 1000)
    assert told.text == (
        "0% of 1000 screenshots are anchored; 90% are wanted. Of 901 overlaps of the others without an offset, 900 are "
        "next to nothing where the screenshots are believed to lie, 1 fit in several places (repeated structure). Take "
        "screenshots closer together: neighbours need 112 px in common."
    )
