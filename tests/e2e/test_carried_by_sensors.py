"""What the sensors do in a running stack: uploads and jobs become maps, and what stopped moving is found."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.here import within
from tests.e2e.dagster_ui import LAYERS, Ui
from tests.e2e.stack import EXAMPLE, HTTP, Stack, wait_for

pytestmark = pytest.mark.e2e


def test_an_uploaded_folder_is_surveyed_once_by_one_run(stack: Stack, corner: Path) -> None:
    with within(stack.cli) as here:
        here.run("upload", str(corner), "--game", "openttd", "--save", "uploaded")
    survey = wait_for(lambda: _survey_of(stack, "uploaded"), 60, lambda: "no survey began")
    stack.await_state(survey, "completed", 150)
    time.sleep(8)  # more than one tick of the sensor
    assert len(_surveys_of(stack, "uploaded")) == 1
    assert [run["status"] for run in Ui(stack).runs_of(survey)] == ["SUCCESS"]


def test_frames_put_over_the_api_are_surveyed_once_a_marker_closes_them(stack: Stack) -> None:
    batch = f"{stack.gateway}/api/v1/uploads/maps/openttd/put/one"
    for row in range(2):
        for col in range(2):
            name = f"r{row:02d}_c{col:02d}.png"
            assert HTTP.put(f"{batch}/{name}", content=(EXAMPLE / name).read_bytes()).is_success
    assert _survey_of(stack, "put") is None
    assert HTTP.put(f"{batch}/_DONE", content=b"").is_success
    survey = wait_for(lambda: _survey_of(stack, "put"), 60, lambda: "no survey began")
    stack.await_state(survey, "completed", 150)


def test_a_run_whose_worker_and_code_server_were_killed_together_is_found_and_done_again(stack: Stack) -> None:
    request = {"game_id": "slow_city", "save_data_id": "killed", "grid": {"rows": 3, "cols": 3}}
    survey = HTTP.post(f"{stack.gateway}/api/jobs", json=request, timeout=60).json()["survey_id"]
    wait_for(lambda: _taken(stack, survey), 90, lambda: "no screenshot was taken")
    victims = _workers_and_code_server(stack)
    assert len(victims) >= 3
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    stack.await_state(survey, "completed", 240)
    ui = Ui(stack)
    assert "FAILURE" in {run["status"] for run in ui.runs_of(survey)}
    assert all(ui.materialised(asset, survey) for asset in LAYERS)


def test_a_command_line_that_was_killed_leaves_a_survey_that_says_so_and_can_be_resumed(stack: Stack) -> None:
    process = subprocess.Popen(
        [
            sys.executable, "-m", "imageflow_cli.main", "survey", "run", "--driver", "city", "--grid", "3x3",
            "--game", "city", "--save", "left", "--set", "pace_s=1", "--set", "view=[320,256]", "--set", "drift_px=8",
            "--lossless-method", "0",
        ],
        env=stack.cli.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    survey = wait_for(lambda: _survey_of(stack, "left"), 60, lambda: "no survey began")
    wait_for(lambda: _taken(stack, survey), 60, lambda: "no screenshot was taken")
    process.kill()
    process.wait()
    facts = wait_for(lambda: _failed(stack, survey), 90, lambda: "the survey is not given up")
    assert f"imageflow survey resume {survey}" in facts["reason"]
    with within(stack.cli) as here:
        here.run("survey", "resume", survey)
    assert _facts(stack, survey)["state"] == "completed"


def _surveys_of(stack: Stack, save: str) -> list[dict[str, Any]]:
    answer = HTTP.get(f"{stack.gateway}/api/v1/surveys", params={"save": save}, timeout=30)
    found: list[dict[str, Any]] = answer.json()["surveys"]
    return found


def _survey_of(stack: Stack, save: str) -> str | None:
    found = _surveys_of(stack, save)
    return str(found[0]["id"]) if found else None


def _facts(stack: Stack, survey: str) -> dict[str, Any]:
    facts: dict[str, Any] = HTTP.get(f"{stack.gateway}/api/v1/surveys/{survey}", timeout=30).json()
    return facts


def _failed(stack: Stack, survey: str) -> dict[str, Any] | None:
    facts = _facts(stack, survey)
    return facts if facts["state"] == "failed" else None


def _taken(stack: Stack, survey: str) -> bool | None:
    folder = Path(stack.cli.home) / "objects" / "surveys" / survey / "screenshots"
    return True if folder.exists() and len(list(folder.glob("*.webp"))) >= 2 else None


def _workers_and_code_server(stack: Stack) -> list[int]:
    """Return the code server's processes and its run workers: what one out-of-memory kill may take at once."""
    return [*stack.run_workers(), *stack.processes("code-server", "api grpc")]
