"""A live execution over the API: the engine's pod does it, and gives the bytes of one machine."""

from pathlib import Path

import httpx
import pytest

from tests.e2e.stack import EXAMPLE, ROOT, Cli, environment
from tests.kubernetes.release import Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SPEC = ROOT / "examples" / "pipelines" / "edges.yaml"


def test_a_live_execution_is_done_by_the_engine_and_gives_the_bytes_of_one_machine(
    release: Release, tmp_path: Path
) -> None:
    picture = next(iter(sorted(EXAMPLE.glob("*.png"))))
    release.kubectl(
        *("exec", f"deployment/{release.name}-gateway", "--", "imageflow", "pipeline", "publish"),
        "examples/pipelines/edges.yaml",
    )
    answer = httpx.post(
        f"{release.url}/api/v1/executions?wait=60",
        files={"image": picture.read_bytes()},
        data={"pipeline": "edges"},
        timeout=90,
        trust_env=False,
    )
    assert answer.is_success, answer.text
    done = answer.json()
    assert done["status"] == "completed", done

    here = Cli(home=tmp_path / "home", env=environment(tmp_path / "home"))
    here.run("pipeline", "run", str(SPEC), str(picture), "--out", str(tmp_path / "out"))
    (expected,) = (tmp_path / "out").rglob("*.png")
    assert release.get(done["outputs"]["edges"]["url"]).content == expected.read_bytes()
