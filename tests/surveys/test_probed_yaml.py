"""Measured settings in a YAML that a person wrote."""

from pathlib import Path
from textwrap import dedent

import pytest

from game_capture.probe.proposal import Proposal, Proposed
from imageflow_domain.errors import InvalidInput
from imageflow_domain.geometry import Rect
from imageflow_surveys.game_yaml import parse_yaml
from imageflow_surveys.probed_yaml import first_yaml, with_measured
from imageflow_surveys.probing import check_text, described

SCROLL = {"by": "keys", "px_per_press": [64, 32], "pause_ms": 20}
MEASURED = Proposal(
    parameters={
        "scroll": Proposed(value=SCROLL, said="24 moves"),
        "step": Proposed(value=[896, 640], said="neighbours overlap by 30%"),
    },
    masks=(),
    advice=(),
)
PANEL = Rect(x_px=1, y_px=2, width_px=30, height_px=40)
GAME = """\
# apt-get install xvfb xdotool mygame
title: My game
driver:
  name: x11
  parameters:
    command: [mygame, "{width}"]   # in a window
    scroll:                        # by hand
      by: keys
      px_per_press: [60, 30]
    # what follows closes the menu
    prepare:
      - {at: [5, 6]}               # Start
grid: {rows: 3, cols: 3}           # small
"""


def test_measured_settings_take_their_places_and_all_else_stays_with_its_comments() -> None:
    text = with_measured(GAME, MEASURED, title="x")
    assert text == dedent("""\
        # apt-get install xvfb xdotool mygame
        title: My game
        driver:
          name: x11
          parameters:
            command: [mygame, "{width}"]   # in a window
            # measured: 24 moves
            scroll: {by: keys, px_per_press: [64, 32], pause_ms: 20}
            # what follows closes the menu
            prepare:
              - {at: [5, 6]}               # Start
            # measured: neighbours overlap by 30%
            step: [896, 640]
        grid: {rows: 3, cols: 3}           # small
    """)
    check_text(text)


def test_probing_again_replaces_what_was_measured_before() -> None:
    once = with_measured(GAME, MEASURED, title="x")
    assert with_measured(once, MEASURED, title="x") == once


def test_masks_join_those_of_the_game() -> None:
    panels = Proposal(parameters=MEASURED.parameters, masks=(PANEL,), advice=())
    text = with_measured(GAME + "masks: [{x_px: 0, y_px: 0, width_px: 9, height_px: 9}]\n", panels, title="x")
    check_text(text)
    assert parse_yaml(text, "it")["masks"] == [
        {"x_px": 0, "y_px": 0, "width_px": 9, "height_px": 9},
        PANEL.model_dump(),
    ]


def test_parameters_alone_become_a_game_where_there_are_masks() -> None:
    panels = Proposal(parameters=MEASURED.parameters, masks=(PANEL,), advice=())
    alone = "command: [mygame]   # mine\n"
    text = with_measured(alone, panels, title="mine")
    check_text(text)
    content = parse_yaml(text, "it")
    assert (content["title"], content["masks"]) == ("mine", [PANEL.model_dump()])
    assert "command: [mygame]   # mine" in text
    assert with_measured(alone, MEASURED, title="mine").startswith(alone)


@pytest.mark.parametrize(
    "text",
    [
        "title: T\ndriver: {name: x11, parameters: {command: [game]}}\n",
        "{title: T, driver: {name: x11, parameters: {command: [game], scroll: {by: keys}}}}\n",
    ],
)
def test_settings_in_one_line_are_written_anew(text: str) -> None:
    written = with_measured(text, MEASURED, title="T")
    check_text(written)
    assert parse_yaml(written, "it")["driver"]["parameters"] == {
        "command": ["game"],
        "scroll": SCROLL,
        "step": [896, 640],
    }
    assert "# measured: scroll: 24 moves" in written


def test_a_first_yaml_can_be_probed_and_is_right_once_it_is() -> None:
    text = first_yaml("my_game", ("game", "-size", "{width}x{height}"), {"window": [800, 600]})
    game = described(text, where="it", folder=Path(), title="my_game")
    assert (game.scroll, game.parameters.command) == (None, ("game", "-size", "{width}x{height}"))
    check_text(with_measured(text, MEASURED, title="my_game").replace("[896, 640]", "[500, 400]"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: T\ndriver: {name: city}\n", "describes a game of driver city: only x11 can be probed"),
        ("command: [game]\nprepare: [{key: Retrun}]\n", "prepare.0.key: 'Retrun' is no key's name"),
        ("- a\n", "must be a mapping of settings"),
    ],
)
def test_what_cannot_be_probed_is_said(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        described(text, where="'game.yaml'", folder=Path(), title="game")
