"""Backups on a cluster: each CronJob runs once, into a second S3 server."""

import json

import pytest
import yaml

from imageflow_clients.encryption import PrivateKey
from tests.e2e.stack import wait_for
from tests.kubernetes.release import Release

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

BUCKET = "backups"
_ACCOUNT = {"MINIO_ROOT_USER": "root-of-backups", "MINIO_ROOT_PASSWORD": "password-of-backups"}
_MAKE_BUCKET = (
    "until mc ready here; do sleep 1; done; "
    "mc mb --ignore-existing here/backups; touch /scratch/ready; exec sleep infinity"
)


@pytest.fixture(scope="module")
def backed_up(release: Release) -> Release:
    """The release with backups switched on, and a MinIO beside it for them."""
    release.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(_server(release.images["minio"])))
    release.kubectl("wait", "pod/backup-store", "--for=condition=Ready", "--timeout=180s")
    backup = {
        "enabled": True,
        "url": f"s3://{BUCKET}/trial",
        "endpoint": "http://backup-store:9000",
        "recipients": [PrivateKey.new().public],
    }
    release.upgrade({"backup": backup})
    return release


@pytest.mark.parametrize("what", ["database", "objects"])
def test_a_cron_job_backs_up(backed_up: Release, what: str) -> None:
    job = f"backup-{what}-now"
    backed_up.kubectl("create", "job", f"--from=cronjob/{backed_up.name}-backup-{what}", job)

    def done() -> bool | None:
        status = json.loads(backed_up.kubectl("get", "job", job, "-o", "json"))["status"]
        assert "failed" not in status, backed_up.kubectl("logs", f"job/{job}")
        return True if status.get("succeeded") else None

    wait_for(done, 300, lambda: backed_up.kubectl("describe", "job", job))
    listed = backed_up.kubectl(
        "exec", "backup-store", "-c", "bucket", "--", "mc", "ls", "--recursive", f"here/{BUCKET}"
    )
    assert {"database": "manifest.json", "objects": "trial/objects/"}[what] in listed
    assert f'imageflow_backup_age_seconds{{kind="{what}"}}' in _metrics(backed_up)
    assert backed_up.get("/metrics").status_code == 404


def _metrics(release: Release) -> str:
    read = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/metrics').read().decode())"
    return release.kubectl("exec", f"deployment/{release.name}-gateway", "--", "python", "-c", read)


def _server(image: str) -> list[dict[str, object]]:
    """Return a Secret, a pod of MinIO with one bucket, and its Service, as the namespace admits them."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    environment = [{"name": name, "value": value} for name, value in _ACCOUNT.items()]
    client = "http://{MINIO_ROOT_USER}:{MINIO_ROOT_PASSWORD}@127.0.0.1:9000".format(**_ACCOUNT)
    pod = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10002,
            "fsGroup": 10002,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "minio",
                "image": image,
                "imagePullPolicy": "Never",
                "command": ["minio", "server", "--address", ":9000", "/data"],
                "env": environment,
                "securityContext": security,
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            },
            {
                "name": "bucket",
                "image": image,
                "imagePullPolicy": "Never",
                "command": ["sh", "-c", _MAKE_BUCKET],
                "env": [{"name": "MC_HOST_here", "value": client}, {"name": "HOME", "value": "/scratch"}],
                "readinessProbe": {"exec": {"command": ["test", "-e", "/scratch/ready"]}, "periodSeconds": 1},
                "securityContext": security,
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            },
        ],
        "volumes": [{"name": name, "emptyDir": {}} for name in ("data", "scratch")],
    }
    keys = {
        "IMAGEFLOW_BACKUP_ACCESS_KEY_ID": _ACCOUNT["MINIO_ROOT_USER"],
        "IMAGEFLOW_BACKUP_SECRET_ACCESS_KEY": _ACCOUNT["MINIO_ROOT_PASSWORD"],
    }
    named = {"name": "backup-store", "labels": {"app": "backup-store"}}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "imageflow-backup"}, "stringData": keys},
        {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": pod},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": named,
            "spec": {"selector": {"app": "backup-store"}, "ports": [{"port": 9000}]},
        },
    ]
