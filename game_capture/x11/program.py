"""One program set up as its configuration says: its files, its account, and the commands before and after it."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from game_capture.accounts import account_of
from game_capture.free_port import free_port
from game_capture.picture import decode_rgb
from game_capture.processes import find_program
from game_capture.stage import Stage, own_folder
from game_capture.staging import Staging
from game_capture.x11.actions import Pictures
from game_capture.x11.parameters import Command, X11Parameters
from imageflow_domain.errors import CaptureError, InvalidInput, UnusableImage
from imageflow_domain.files_beside import ReadBeside

_LOG = logging.getLogger(__name__)


class Program:
    """A program that is started once, and ended with everything that belongs to it.

    Args:
        read_beside: Returns a file beside the game's YAML.
    """

    def __init__(self, parameters: X11Parameters, *, staging: Staging, read_beside: ReadBeside) -> None:
        self._parameters = parameters
        self._staging = staging
        self._read_beside = read_beside
        self._undo = contextlib.ExitStack()
        self._port = 0

    def start(self) -> Stage:
        """Return the stage on which the program is up.

        Raises `GameMissing`, `GameDied`, `CaptureError` where a command before it fails, `Unavailable`, `InvalidInput`.
        """
        parameters = self._parameters
        account = account_of(parameters.user)
        self._port = free_port() if self._names_port() else 0
        with own_folder(self._staging.scratch, "x11") as home:
            stage = Stage(parameters.screen, home=home, staging=self._staging, account=account)
            self._undo.callback(stage.stop)
            for there, name in parameters.files.items():
                _put(stage.folder, there, self._read_beside(name))
            command = self._found(parameters.command, stage, packages="xvfb xdotool, and the game's own package")
            stage.open()
            if parameters.after:
                self._undo.callback(self._run, stage, parameters.after)
            self._undo.callback(stage.end_game)
            self._run(stage, parameters.before)
            stage.start(command, environment=self._environment(stage))
        return stage

    def stop(self) -> None:
        """End the program, run what is to be run after it, and let go of the display. May be called twice.

        Raises `CaptureError` where a command after it fails; everything has ended then too.
        """
        self._undo.close()

    def abandon(self) -> None:
        """Do the same after a failure: a command that fails now is logged, and does not hide what failed first."""
        try:
            self.stop()
        except CaptureError as error:
            _LOG.warning("%s", error)

    def _run(self, stage: Stage, commands: Sequence[Command]) -> None:
        for command in commands:
            words = self._found(command.run, stage, packages="the package that has it")
            stage.run(words, environment=self._environment(stage), timeout_s=command.timeout_s)

    def _found(self, words: Sequence[str], stage: Stage, *, packages: str) -> list[str]:
        program, *arguments = self._filled(words, stage)
        return [find_program(program, packages=packages), *arguments]

    def _environment(self, stage: Stage) -> dict[str, str]:
        environment = self._parameters.environment
        return dict(zip(environment, self._filled(tuple(environment.values()), stage), strict=True))

    def _names_port(self) -> bool:
        parameters = self._parameters
        commands = (parameters.command, *(command.run for command in (*parameters.before, *parameters.after)))
        words = (*(word for command in commands for word in command), *parameters.environment.values())
        return any("{port}" in word for word in words)

    def _filled(self, words: Sequence[str], stage: Stage) -> list[str]:
        """Put the folder, the port and the window's size where the configuration names them."""
        width, height = self._parameters.window
        named = {"scratch": stage.folder, "port": self._port, "width": width, "height": height}
        filled = []
        for word in words:
            for name, value in named.items():
                word = word.replace(f"{{{name}}}", str(value))
            filled.append(word)
        return filled


def _put(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def read_pictures(names: Sequence[str], read_beside: ReadBeside) -> Pictures:
    """Return the pictures that actions name; raise `InvalidInput` for a file that is none."""
    pictures = {}
    for name in names:
        try:
            pictures[name] = decode_rgb(read_beside(name))
        except UnusableImage as error:
            raise InvalidInput(f"The picture '{name}' {error.reason}: cut it from a screenshot of the game.") from error
    return pictures
