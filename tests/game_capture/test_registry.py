"""Drivers by name: schemas, and parameters that are refused with their path."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from game_capture.registry import DRIVERS, driver_schema, open_driver
from game_capture.staging import Staging
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.survey import DriverSpec

X11: dict[str, Any] = {"command": ["game"], "step": [100, 100], "scroll": {"by": "drag"}}


@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_every_driver_has_a_closed_schema(name: str) -> None:
    schema = driver_schema(name)
    assert schema["additionalProperties"] is False
    assert schema["properties"]


def test_an_unknown_driver_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=", ".join(sorted(DRIVERS))):
        open_driver(DriverSpec(name="chess"), staging=Staging(scratch=tmp_path))


@pytest.mark.parametrize(
    ("name", "parameters", "path"),
    [
        ("city", {"seed": "seven"}, "seed: "),
        ("city", {"view": [1280, 1]}, "view.1: "),
        ("city", {"speed": 1}, "speed: "),
        ("folder", {"step": [0, 10]}, "step.0: "),
        ("openttd", {}, "load"),
        ("openttd", {"seed": 1, "load": "x.sav"}, "load"),
        ("openttd", {"seed": 1, "map_size": 100}, "power of two"),
        ("openttd", {"seed": 1, "step": [1024, 608]}, "overlap"),
        ("openttd", {"load": "/nowhere/x.sav"}, "There is no savegame"),
        ("x11", {}, "command: "),
        ("x11", X11 | {"scroll": {"by": "telepathy"}}, "scroll.by: "),
        ("x11", X11 | {"scroll": {"by": "keys", "px_per_press": [10, 10], "up": "Up\nexec reboot"}}, "scroll.up: "),
        ("x11", X11 | {"scroll": {"by": "drag", "camera_px_per_px": [0, 1]}}, "scroll.camera_px_per_px.0: "),
        ("x11", X11 | {"prepare": [{"key": "a b"}]}, "prepare.0.key: "),
        ("x11", X11 | {"crop": {"x_px": 1, "y_px": 0, "width_px": 1280, "height_px": 1024}}, "inside the window"),
        ("x11", X11 | {"step": [2000, 100]}, "overlap"),
        ("x11", X11 | {"park": [5000, 5]}, "parked"),
        ("x11", X11 | {"display": [640, 480]}, "inside the display"),
        ("x11", X11 | {"prepare": [{"type": "a\n"}]}, "prepare.0.type: "),
        ("x11", X11 | {"prepare": [{"if_shown": "/etc/x.png", "then": [{"key": "a"}]}]}, "prepare.0.if_shown: "),
        ("x11", X11 | {"files": {"a/../../x": "x"}}, "files.a/../../x: "),
        ("x11", X11 | {"before": [{"run": "sh x"}]}, "before.0.run: "),
    ],
)
def test_a_wrong_parameter_is_named(name: str, parameters: dict[str, Any], path: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_driver(DriverSpec(name=name, parameters=parameters), staging=Staging(scratch=tmp_path))
    assert path in str(caught.value)


def test_the_folder_driver_asks_for_frames(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--source"):
        open_driver(DriverSpec(name="folder"), staging=Staging(scratch=tmp_path))


def test_a_driver_is_imported_only_when_it_is_chosen() -> None:
    script = "import sys, game_capture.registry; sys.exit(any('game_capture.drivers.' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
