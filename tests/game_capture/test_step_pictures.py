"""Pictures of a probe's steps: what is in their folder is removed only where a probe put it there."""

from pathlib import Path

import numpy as np
import pytest

from game_capture.probe.step_pictures import PLAIN, StepPictures
from imageflow_domain.errors import InvalidInput

PICTURE = np.zeros((64, 64, 3), np.uint8)


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "01-mine.png"
    mine.write_bytes(b"mine")
    with pytest.raises(InvalidInput, match="holds other files: name an empty or a new folder with --to"):
        StepPictures(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]


def test_pictures_of_an_earlier_probe_are_replaced_and_no_others(tmp_path: Path) -> None:
    first = StepPictures(tmp_path)
    for name in ("start", "click"):
        first.save(PICTURE, name, "")
    mine = tmp_path / "2026-11-29-mine.png"
    mine.write_bytes(b"mine")
    StepPictures(tmp_path).save(PICTURE, "other", "")
    assert {path.name for path in tmp_path.glob("*.png")} == {"00-other.png", mine.name}
    assert [path.name for path in (tmp_path / PLAIN).iterdir()] == ["00-other.png"]
