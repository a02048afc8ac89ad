"""What a program's commands and environment are filled with."""

import time
from pathlib import Path
from socket import socket

import pytest

from game_capture import free_port as ports
from game_capture.free_port import free_port
from game_capture.staging import Staging
from game_capture.x11.parameters import X11Parameters
from game_capture.x11.program import Program
from imageflow_domain.files_beside import nothing_beside
from tests.game_capture.conftest import need


def test_a_port_that_something_listens_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        taken = listening.getsockname()[1]
        monkeypatch.setattr(ports, "_PORTS", (taken, 1))
        assert [free_port() for _ in range(9)] == [1] * 9


def _program(folder: Path) -> Program:
    parameters = X11Parameters.model_validate(
        {
            "command": ["sh", "-c", 'echo "$0 $PORT $(cat port)"; sleep 60', "{port}"],
            "before": [{"run": ["sh", "-c", "echo {port} > port"]}],
            "environment": {"PORT": "{port}"},
            "scroll": {"by": "keys", "px_per_press": [32, 32]},
            "step": [640, 512],
        }
    )
    return Program(parameters, staging=Staging(scratch=folder), read_beside=nothing_beside)


def test_each_game_has_one_port_of_its_own(tmp_path: Path) -> None:
    need("Xvfb", "xdotool")
    programs = [_program(tmp_path) for _ in range(2)]
    said = []
    try:
        for program in programs:
            stage = program.start()
            while not stage.log():
                stage.check_alive()
                time.sleep(0.05)
            said.append(stage.log().split())
    finally:
        for program in programs:
            program.abandon()
    first, second = said
    assert first == [first[0]] * 3
    assert second == [second[0]] * 3
    assert 0 < int(first[0]) != int(second[0])


def test_a_game_that_names_no_port_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("Xvfb", "xdotool")
    monkeypatch.setattr(ports, "_PORTS", ())
    parameters = X11Parameters.model_validate(
        {"command": ["sleep", "60"], "scroll": {"by": "keys", "px_per_press": [32, 32]}, "step": [640, 512]}
    )
    program = Program(parameters, staging=Staging(scratch=tmp_path), read_beside=nothing_beside)
    try:
        program.start().check_alive()
    finally:
        program.abandon()
