"""A client in another language, made from our .proto by its own libraries, completes a full exchange."""

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import grpc
import pytest

from imageflow_catalog.pipelines import publish_pipeline
from imageflow_clients.stores import Stores
from imageflow_engine.rpc.server import RpcServer
from services.go import cache_root
from services.protoc import PROTOS, ROOT
from tests.executions.starts import image, small
from webui.build import environment, program

_SOURCE = Path(__file__).with_name("node")


@pytest.fixture(scope="module")
def node() -> tuple[Path, dict[str, str]]:
    """The folder of the client with its libraries, installed once, and the environment of Node.js."""
    variables = environment()
    assert variables is not None, "there is no Node.js: `make webui` installs one"
    lock = (_SOURCE / "package-lock.json").read_bytes()
    folder = cache_root() / f"node-client-{hashlib.sha256(lock).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            shutil.copytree(_SOURCE, folder, dirs_exist_ok=True)
            subprocess.run([*program("npm", variables), "ci"], cwd=folder, env=variables, check=True)
            (folder / "whole").touch()
    shutil.copy(_SOURCE / "client.mjs", folder)
    return folder, variables


def test_a_node_client_completes_a_full_exchange(
    node: tuple[Path, dict[str, str]], server: RpcServer, stores: Stores, engine: None, tmp_path: Path
) -> None:
    publish_pipeline(stores, small("live"))
    (tmp_path / "image.png").write_bytes(image(width=100, height=80))
    folder, variables = node
    command = ["node", "client.mjs", f"127.0.0.1:{server.port}", str(ROOT / PROTOS[0]), str(tmp_path / "image.png")]
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables | {"PROTO_ROOT": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["state"] == "EXECUTION_STATE_COMPLETED"
    assert said["streamed"][-1] == "EXECUTION_STATE_COMPLETED"
    assert said["outputs"] == said["streamed_outputs"]
    assert said["read"] == said["outputs"]["picture"]
    assert (said["last_event"], said["events"]) == ("EXECUTION_STATE_COMPLETED", 11)
    assert said["refused"] == {"code": grpc.StatusCode.INVALID_ARGUMENT.value[0], "has_details": True}


def test_its_lock_file_names_no_registry() -> None:
    assert "resolved" not in (_SOURCE / "package-lock.json").read_text()
