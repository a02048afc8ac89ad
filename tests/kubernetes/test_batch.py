"""A batch that is put into the bucket is inspected in a pod, with the same verdicts as on one machine."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imageflow_inspection.runs import BATCH_TAG
from tests.browser.stand import Gateway
from tests.e2e.stack import HTTP, wait_for
from tests.inspection.drawn import EXAMPLE
from tests.kubernetes.release import Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

PICTURES = 50
_RESULTS = f"/api/v1/inspections/results?product=part&limit={PICTURES * 2}"
_CLIENT = "export MC_HOST_here=http://root-of-demo:$MINIO_ROOT_PASSWORD@127.0.0.1:9000; "


def test_a_batch_of_fifty_in_the_bucket_has_the_verdicts_of_one_machine(release: Release, tmp_path: Path) -> None:
    with _one_machine(tmp_path) as expected:
        assert len(expected) == PICTURES
        gateway = ("exec", f"deployment/{release.name}-gateway", "--", "imageflow")
        release.kubectl(*gateway, "model", "register", "--shipped")
        release.kubectl(*gateway, "product", "publish", f"examples/inspection/{(EXAMPLE / 'product.yaml').name}")
        _put(release, tmp_path / "drawn")

        def results() -> Mapping[str, Any] | None:
            found = _verdicts(release.get(_RESULTS).json())
            return found if len(found) == PICTURES else None

        assert wait_for(results, 400, lambda: release.get("/api/v1/batches?product=part").text) == expected
    (batch,) = release.get("/api/v1/batches?product=part").json()["batches"]
    assert batch["state"] == "inspected"
    tag = f'{{key: "{BATCH_TAG}", value: "{batch["id"]}"}}'
    runs = release.graphql(f"{{runsOrError(filter: {{tags: [{tag}]}}) {{... on Runs {{results {{runId status}}}}}}}}")
    (run,) = runs["runsOrError"]["results"]
    assert run["status"] == "SUCCESS"
    (pod,) = release.items("pods", f"dagster/run-id={run['runId']}")
    assert "token" not in str(pod["spec"]["volumes"])


@contextmanager
def _one_machine(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Inspect the drawn parts here; give their verdicts as this machine's own gateway does."""
    here = Gateway(folder / "home")
    here.cli.run("model", "register", "--shipped")
    here.cli.run("product", "publish", str(EXAMPLE / "product.yaml"))
    here.cli.run("model", "draw", str(folder / "drawn"), "--pictures", str(PICTURES), "--first", "100120")
    here.cli.run("inspect", str(folder / "drawn"), "--product", "part", "--batch", "drawn", expect=6, timeout_s=400)
    here.start()
    try:
        yield _verdicts(HTTP.get(f"{here.url}{_RESULTS}").json())
    finally:
        here.stop()


def _verdicts(listed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was judged of each picture, but for what is of the installation: ids and times."""
    kept = ("digest", "verdict", "confidence", "items")
    return {result["picture"]: {name: result[name] for name in kept} for result in listed["results"]}


def _put(release: Release, drawn: Path) -> None:
    """Put the pictures into the bucket, then the word that they are all there, with MinIO's own client."""
    pod = f"{release.name}-demo-minio-0"
    release.kubectl("cp", str(drawn), f"{pod}:/tmp/drawn", "-c", "bucket")
    said = json.dumps({"product": "part", "batch": "drawn"})
    place = f"here/imageflow/uploads/inbox/{time.time_ns() // 1_000_000:013d}-{uuid.uuid4()}.json"
    copy = f"mc cp /tmp/drawn/*.png here/imageflow/uploads/inspection/part/drawn/ && printf '{said}' | mc pipe {place}"
    release.kubectl("exec", pod, "-c", "bucket", "--", "sh", "-c", _CLIENT + copy)
