"""`imageflow run` against a gateway and an engine."""

import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imageflow_domain.executions import new_id
from tests.cli.here import Here
from tests.client.conftest import Deployment
from tests.client.stub_gateway import Request, execution, stub_gateway
from tests.e2e.stack import environment, wait_for
from tests.executions.starts import ended, hanging, image, logged, small, started, until_running


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(home=tmp_path / "home", env=environment(tmp_path / "home"))


@pytest.mark.parametrize("protocol", ["rest", "grpc", "auto"])
def test_images_are_processed_and_their_outputs_written(
    here: Here, deployment: Deployment, tmp_path: Path, protocol: str
) -> None:
    for seed in range(3):
        (tmp_path / f"photo{seed}.png").write_bytes(image(seed))
    photos = [str(tmp_path / f"photo{seed}.png") for seed in range(3)]
    at = ("--server", deployment.url, "--protocol", protocol)
    done = here.run("run", "live", *photos, *at, "--out", str(tmp_path / "out"), "--set", "small.width_px=20", "--json")
    facts = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(each["image"] for each in facts) == photos
    for each in facts:
        assert each["status"] == "completed"
        for output in each["outputs"].values():
            assert hashlib.sha256(Path(output["file"]).read_bytes()).hexdigest() == output["sha256"]
    assert len(list((tmp_path / "out").iterdir())) == 6
    shown = here.run("run", "live", photos[0], *at, "--steps").stdout
    assert "completed" in shown
    assert "image/png" in shown
    assert "encoded" in shown


def test_an_execution_is_shown_with_its_log_and_cancelled(here: Here, deployment: Deployment) -> None:
    record = started(deployment.stores, hanging())
    logged(deployment.stores, record, "one", "two", attempt=1)
    until_running(deployment.stores, record.id, "decode")
    at = (str(record.id), "--server", deployment.url)
    assert "running" in here.run("execution", "show", *at).stdout
    assert [line.split(" ", 1)[1].split() for line in here.run("execution", "logs", *at).stdout.splitlines()] == [
        ["info", "decode:", "one"],
        ["info", "decode:", "two"],
    ]
    (line,) = here.run("execution", "logs", *at, "--after", "1-1", "--json").stdout.splitlines()
    assert (json.loads(line)["cursor"], json.loads(line)["text"]) == ("1-2", "two")
    here.run("execution", "cancel", *at)
    ended(deployment.stores, record.id)
    assert json.loads(here.run("execution", "show", *at, "--json").stdout)["status"] == "cancelled"
    here.run("execution", "logs", str(new_id()), "--server", deployment.url, expect=3)


def test_what_fails_is_said_with_the_exit_code_of_its_cause(here: Here, deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(image())
    (tmp_path / "bad.png").write_bytes(b"no image")
    good, bad = str(tmp_path / "good.png"), str(tmp_path / "bad.png")
    at = ("--server", deployment.url)
    assert "no JPEG" in here.run("run", "live", bad, *at, expect=2).stderr
    both = here.run("run", "live", good, bad, *at, expect=2)
    assert "1 of 2 images failed" in both.stderr
    assert f"{good}: completed" in both.stdout
    assert "absent" in here.run("run", "absent", good, *at, expect=3).stderr
    here.run("run", "live", str(tmp_path / "missing.png"), *at, expect=3)
    here.run("run", "live", good, "--server", "nowhere", expect=2)
    here.run("run", "live", good, *at, "--set", "wide", expect=2)
    down = here.run("run", "live", good, "--server", "http://127.0.0.1:9", "--deadline", "2", expect=4)
    assert "cannot be reached" in down.stderr


def test_what_is_done_is_written_and_shown_before_the_rest_and_kept_by_ctrl_c(here: Here, tmp_path: Path) -> None:
    over = threading.Event()

    def answer(request: Request) -> Iterator[bytes]:
        if b"slow image" in request.body:
            over.wait(60)
        elif request.method == "POST":
            yield execution("completed", {"edges": b"its edges"})
        else:
            yield b"its edges"

    (tmp_path / "fast.png").write_bytes(b"fast image")
    (tmp_path / "slow.png").write_bytes(b"slow image")
    images, out = (str(tmp_path / "slow.png"), str(tmp_path / "fast.png")), tmp_path / "out"
    with stub_gateway(answer) as url:
        at = ("--server", url, "--protocol", "rest", "--out", str(out), "--deadline", "300")
        process = subprocess.Popen(
            [sys.executable, "-m", "imageflow_cli.main", "run", "live", *images, *at],
            env=here.env,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            wait_for(lambda: (out / "fast.edges.png").exists() or None, 60, lambda: "nothing was written")
            assert "fast.png: completed" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
            over.set()
    assert (process.returncode, said.strip()) == (130, "Interrupted.")
    assert (out / "fast.edges.png").read_bytes() == b"its edges"


def test_a_step_is_previewed_and_its_outputs_written(here: Here, deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(small()))
    (tmp_path / "photo.png").write_bytes(image())
    (tmp_path / "bad.png").write_bytes(b"no image")
    asked = ("pipeline", "preview", str(tmp_path / "spec.json"), str(tmp_path / "photo.png"))
    at = ("--server", deployment.url, "--step", "small")
    done = here.run(*asked, *at, "--out", str(tmp_path / "out"), "--json")
    (output,) = json.loads(done.stdout)["outputs"].values()
    assert hashlib.sha256(Path(output["file"]).read_bytes()).hexdigest() == output["sha256"]
    assert (output["width_px"], output["height_px"]) == (32, 24)
    shown = here.run(*asked, *at, "--steps").stdout
    assert "32 x 24 px" in shown
    assert "reused" in shown
    failed = here.run(*asked, str(tmp_path / "bad.png"), *at, expect=2)
    assert "1 of 2 images" in failed.stderr
