"""What the first moves of a camera tell of the distance of one press."""

import pytest

from game_capture.calibration import Calibration, probe
from game_capture.loop import SURE_WINDOWS, Axis, Move
from imageflow_domain.capture import Movement
from imageflow_domain.geometry import Offset

WANTED = Move(axis=Axis.Y, presses=40)


def _seen(along_px: int) -> Movement:
    return Movement(offset=Offset(dx_px=0, dy_px=along_px), windows=SURE_WINDOWS, is_only=True)


def _after(calibration: Calibration, *, tile_px: int, true_px: float) -> Calibration:
    """Probe a camera whose clicks lead to the nearest tile until the distance is known."""
    while not calibration.is_done:
        move = probe(WANTED, calibration)
        calibration = calibration.after(move, _seen(round(move.presses * true_px / tile_px) * tile_px))
    return calibration


@pytest.mark.parametrize("tile_px", [1, 54, 72])
def test_a_minimap_that_leads_to_tiles_keeps_its_configured_distance(tile_px: int) -> None:
    minimap = Calibration(press_px=17.0, is_absolute=True)
    assert _after(minimap, tile_px=tile_px, true_px=17.0).press_px == 17.0


def test_a_minimap_whose_configured_distance_is_wrong_is_measured() -> None:
    minimap = Calibration(press_px=17.0, is_absolute=True)
    assert _after(minimap, tile_px=1, true_px=34.0).press_px == pytest.approx(34.0, rel=0.02)


def test_keys_are_probed_by_short_moves() -> None:
    assert probe(WANTED, Calibration(press_px=16.0)).presses == 3
