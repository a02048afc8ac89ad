"""The `imageflow` command within this process, which saves two seconds of imports a call."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob
from pydantic import SecretStr

from imageflow_cli.main import main
from tests.e2e.stack import Cli, environment


class Here(Cli):
    """Runs `main` itself, with its standard streams caught."""

    def run(
        self, *arguments: str, expect: int = 0, timeout_s: float = 0, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        done = _run(arguments, typed)
        assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def attempt(self, *arguments: str) -> bool | None:
        return True if _run(arguments).returncode == 0 else None


def _run(arguments: tuple[str, ...], typed: str = "") -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["imageflow", *arguments])
        patch.setattr(sys, "stdin", io.StringIO(typed))
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), out.getvalue(), err.getvalue())


@contextmanager
def command_line(home: Path, database: SecretStr | None = None) -> Iterator[Here]:
    """Give the command line with a home of its own, whose database is embedded or the one that is given."""
    variables = {} if database is None else {"IMAGEFLOW_DATABASE_URL": database.get_secret_value()}
    _forget_definitions()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"IMAGEFLOW_HOME": str(home), **variables}.items():
            patch.setenv(name, value)
        yield Here(home=home, env=environment(home, **variables))


@contextmanager
def within(cli: Cli) -> Iterator[Here]:
    """Give a command line within this process, in its folder and with its variables."""
    _forget_definitions()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("IMAGEFLOW_", "DAGSTER_"))]:
            patch.delenv(name)
        for name, value in cli.env.items():
            patch.setenv(name, value)
        patch.chdir(cli.home.parent)
        yield Here(home=cli.home, env=cli.env)


def _forget_definitions() -> None:
    """Dagster keeps the definitions of a process's last job, and these are bound to the home that they were made in."""
    ReconstructableJob.get_repository_definition.cache_clear()
    ReconstructableJob.get_definition.cache_clear()
