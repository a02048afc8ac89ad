"""MinIO's server and client, and Helm, built once from Go modules: two minutes each on two cores, 3 GB meanwhile."""

from pathlib import Path

from services.go import cache_folder, kept

MODULE = "github.com/minio/minio"
VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
"""The newest that was published; MinIO's own tags are no versions to Go."""


def is_kept() -> bool:
    """Whether MinIO's program was built before."""
    return (cache_folder("minio", VERSION) / "minio").exists()


def minio_program() -> Path:
    """Return MinIO's program, building it first where it is not kept.

    Raises `Unavailable` where it cannot be built.
    """
    return kept(cache_folder("minio", VERSION), ("minio",), lambda go: [go.install(MODULE, VERSION, "minio")])["minio"]


CLIENT = "github.com/minio/mc"
CLIENT_VERSION = "v0.0.0-20250313080218-cf909e1063a9"


def minio_client() -> Path:
    """Return MinIO's client, building it first where it is not kept.

    Raises `Unavailable` where it cannot be built.
    """
    folder = cache_folder("mc", CLIENT_VERSION)
    return kept(folder, ("mc",), lambda go: [go.install(CLIENT, CLIENT_VERSION, "mc")])["mc"]


HELM = "helm.sh/helm/v3/cmd/helm"
HELM_VERSION = "v3.22.0"


def helm_program() -> Path:
    """Return Helm's program, building it first where it is not kept.

    Raises `Unavailable` where it cannot be built.
    """
    folder = cache_folder("helm", HELM_VERSION)
    return kept(folder, ("helm",), lambda go: [go.install(HELM, HELM_VERSION, "helm")])["helm"]
