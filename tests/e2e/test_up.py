"""`imageflow up -- COMMAND`: the stack for as long as a command takes, as `make demo` uses it."""

import json
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from services.child import free_port
from tests.e2e.stack import ROOT, Cli, environment

pytestmark = pytest.mark.e2e

_FRAME = ROOT / "examples" / "openttd-small" / "r00_c00.png"


def test_a_command_finds_the_stack_ready_and_everything_ends_with_it_and_its_exit_code(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ports = {f"IMAGEFLOW_{each}_PORT": str(free_port()) for each in ("GATEWAY", "DAGSTER", "ENGINE_GRPC")}
    cli = Cli(home=home, env=environment(home, **ports))
    cli.run("pipeline", "publish", str(ROOT / "examples" / "pipelines" / "edges.yaml"))
    script = f"imageflow run edges {_FRAME} --out {tmp_path / 'out'} --steps --json; exit 3"
    done = cli.run("up", "--", "sh", "-c", script, expect=3)
    facts = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert facts["status"] == "completed"
    assert [step["status"] for step in facts["steps"]] == ["done"] * 5
    assert (tmp_path / "out" / "r00_c00.edges.png").stat().st_size == facts["outputs"]["edges"]["size"]
    gateway = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("Map:"))
    with pytest.raises(httpx.TransportError):
        httpx.get(gateway, timeout=5)
    assert not [each for each in psutil.process_iter() if _is_of(each, home)]


def _is_of(process: psutil.Process, home: Path) -> bool:
    """Return whether a process was started for a home; the stack's processes have it in their environment."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return process.environ().get("IMAGEFLOW_HOME") == str(home)
    return False
