"""A real game in its own image, in a pod without any rights."""

from pathlib import Path

import pytest

from tests.e2e.stack import Cli, environment
from tests.game_capture.conftest import need
from tests.kubernetes.conftest import tiles_of_one_machine
from tests.kubernetes.release import Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def test_a_live_openttd_in_its_pod_gives_the_tiles_of_one_machine(release: Release, tmp_path: Path) -> None:
    need("Xvfb", "xdotool", "openttd")
    job = release.post(
        "/api/jobs", {"game_id": "openttd", "save_data_id": "live", "grid": {"rows": 2, "cols": 2}, "seed": 20240607}
    )
    done = release.await_job(job["job_id"], within_s=600)
    (pod,) = release.items("pods", f"dagster/run-id={job['dag_run_id']}")
    assert pod["spec"]["containers"][0]["image"] == release.images["capture-openttd"]
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert "token" not in str(pod["spec"]["volumes"])

    here = Cli(home=tmp_path / "home", env=environment(tmp_path / "home"))
    here.run("survey", "run", "--config", str(Path("games/openttd.yaml").resolve()), "--save", "live", "--grid", "2x2")
    expected = tiles_of_one_machine(tmp_path / "home", done["survey_id"])
    assert len(expected) == done["tiles_created"] > 10
    assert {path: release.get(path).content for path in expected} == expected
