"""Command line, plain `dagster dev` and the stack share one instance, which outlives each of them."""

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.stack import EXAMPLE, ROOT, Cli, dagster_dev, environment, free_port, running_stack

pytestmark = pytest.mark.e2e

_PARTITIONS = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations(limit: 20) { partition runId } } } }"""
_RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "imageflow") { __typename
  ... on WorkspaceLocationEntry { loadStatus locationOrLoadError { __typename } } } }"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the repository's root: configuration files, and nothing set in the environment."""
    root = tmp_path_factory.mktemp("root")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, root / name)
    return root


def test_a_survey_by_command_line_is_seen_in_dagster_dev_before_and_after_a_restart(folder: Path) -> None:
    env = {name: value for name, value in environment(folder).items() if not name.startswith("IMAGEFLOW_")}
    done = subprocess.run(
        [sys.executable, "-m", "imageflow_cli.main", "survey", "run", "--driver", "folder", "--source", str(EXAMPLE),
         "--game", "openttd", "--save", "shared", "--lossless-method", "0"],
        cwd=folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    survey = done.stdout.strip()
    for _ in ("first start", "after a restart"):
        with dagster_dev(folder, env) as address:
            answer = httpx.post(
                f"{address}/graphql",
                json={"query": _PARTITIONS, "variables": {"key": {"path": ["coordinates"]}}},
                timeout=60,
            ).json()
            found = answer["data"]["assetNodeOrError"]["assetMaterializations"]
            assert survey in {materialisation["partition"] for materialisation in found}


def test_seven_surveys_the_daemon_and_the_command_line_share_the_instance(cli: Cli, stack: object) -> None:
    command = [
        sys.executable, "-m", "imageflow_cli.main", "survey", "run", "--json", "--driver", "city", "--grid", "2x2",
        "--game", "city", "--save", "seven", "--set", "view=[320,256]", "--set", "drift_px=8", "--lossless-method", "0",
    ]  # fmt: skip
    running = [
        subprocess.Popen(command, env=cli.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(7)
    ]
    ended = [(process.communicate(timeout=240), process.returncode) for process in running]
    assert [code for _, code in ended] == [0] * 7, ended
    surveys = cli.json("survey", "list", "--save", "seven")
    assert len({one["survey"] for one in surveys}) == 7
    assert {one["state"] for one in surveys} == {"completed"}


def test_a_code_server_that_outlives_its_killed_stack_does_not_take_the_next_ones_place(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("killed") / "home"
    ports = {"IMAGEFLOW_GATEWAY_PORT": str(free_port()), "IMAGEFLOW_DAGSTER_PORT": str(free_port())}
    cli = Cli(home=home, env=environment(home, **ports))
    with running_stack(cli) as killed:
        (old,) = map(psutil.Process, killed.processes("code-server"))
        old.suspend()  # as one whose calls have not ended yet
        killed.process.kill()
        killed.process.wait()
    with running_stack(cli) as stack:
        old.resume()
        old.wait(60)
        reloaded = stack.graphql(_RELOAD)["reloadRepositoryLocation"]
        assert reloaded.get("loadStatus") == "LOADED", reloaded
        assert reloaded["locationOrLoadError"]["__typename"] == "RepositoryLocation", reloaded
