"""A mistake is one sentence: where it is, what is allowed there, and what was probably meant."""

from typing import Any

import pytest

from game_capture.registry import parameters_of
from imageflow_domain.errors import WrongSettings
from imageflow_domain.survey import DriverSpec

_RIGHT: dict[str, Any] = {"command": ["game"], "step": [100, 100], "scroll": {"by": "drag"}}


@pytest.mark.parametrize(
    ("wrong", "path", "said"),
    [
        ({"prepair": []}, "prepair", "is no setting here (allowed: command, .*): did you mean prepare?"),
        ({"scroll": {"by": "kyes"}}, "scroll.by", "is none of keys, drag, wheel, edge, minimap: did you mean keys?"),
        ({"scroll": {}}, "scroll.by", "is missing: one of keys, drag"),
        ({"scroll": {"by": "keys"}}, "scroll.px_per_press", "is missing: Pixels that one press moves the camera"),
        ({"scroll": {"by": "drag", "buton": 1}}, "scroll.buton", "did you mean button?"),
        ({"prepare": [{"key": 12}]}, "prepare.0.key", "must be the name of a key"),
        ({"prepare": [{"key": True}]}, "prepare.0.key", "YAML reads this word as true or false"),
        ({"prepare": [{"key": "Retrun"}]}, "prepare.0.key", "is no key's name in X, .*: did you mean Return?"),
        ({"prepare": [{"key": "escape"}]}, "prepare.0.key", "did you mean Escape?"),
        ({"prepare": [{"kye": "a"}]}, "prepare.0", "is no action .*: did you mean key?"),
        ({"prepare": ["Return"]}, "prepare.0", "is no action (allowed: {key: ...}, {type: ...}"),
        ({"prepare": [{"key": "a", "coutn": 2}]}, "prepare.0.coutn", "(allowed: key, count, .*did you mean count?"),
        ({"prepare": [{"type": 71}]}, "prepare.0.type", "must be text: put it in quotes"),
        ({"prepare": [{"wait_until": {}}]}, "prepare.0.wait_until", "must have still: true, changed: true, or at"),
        ({"prepare": [{"wheel": "upp"}]}, "prepare.0.wheel", "is none of up, down, left, right: did you mean up?"),
        ({"prepare": [{"if_shown": "a.png", "then": [{"kay": 1}]}]}, "prepare.0.then.0", "is no action"),
        ({"prepare": {"key": "a"}}, "prepare", "must be a list"),
        ({"command": "game"}, "command", "must be a list"),
        ({"window": [640]}, "window.1", "is missing"),
        ({"window": [640, 480, 3]}, "window", "must have at most 2 items, not 3"),
        ({"window": [10, 480]}, "window.0", "must be at least 64"),
        ({"start_wait_s": "two"}, "start_wait_s", "must be a number"),
        ({"reach_px": 1.5}, "reach_px", "must be a whole number"),
        ({"environment": {"A": 3}}, "environment.A", "must be text: put it in quotes"),
        ({"files": {"../x": "a"}}, "files.../x", "must be a path below its folder"),
        ({"scroll": 4}, "scroll", "must be a mapping of settings"),
        ({"park": [5000, 5]}, "settings", r"the pointer (park) must be parked"),
    ],
)
def test_each_mistake_is_one_sentence_with_its_path(wrong: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        parameters_of(DriverSpec(name="x11", parameters=_RIGHT | wrong))
    (fault,) = caught.value.faults
    assert fault.path == path
    begin, _, end = said.partition(".*")
    assert begin in fault.reason
    assert end in fault.reason


def test_all_mistakes_are_named_at_once_and_a_misspelled_setting_is_not_missing_too() -> None:
    crop = {"x": 0, "y_px": 0, "width_px": 900, "height_px": 900}
    wrong = {"prepair": [], "crop": crop, "window": [1, 1], "environment": {"PASSWORD": ["secret"]}}
    with pytest.raises(WrongSettings) as caught:
        parameters_of(DriverSpec(name="x11", parameters=_RIGHT | wrong))
    assert sorted(fault.path for fault in caught.value.faults) == [
        *["crop.x", "environment.PASSWORD", "prepair", "window.0", "window.1"]
    ]
    assert "secret" not in str(caught.value)
