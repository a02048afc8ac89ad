"""Object stores on the real servers, each test's in a prefix of its own."""

import os
import uuid
from collections.abc import Mapping

import pytest

from imageflow_clients.object_stores import open_object_store
from imageflow_clients.objects import ObjectStore
from imageflow_clients.settings import Settings
from services.minio import Minio
from services.rclone import Rclone


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    """Let the environment name these stores and no others."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "IMAGEFLOW_"))]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def empty_bucket(
    server: Minio | Rclone, monkeypatch: pytest.MonkeyPatch, *, deadline_s: float = 30, **variables: str
) -> ObjectStore:
    """Return an empty store on a server.

    Args:
        server: Where it is.
        monkeypatch: Sets the variables.
        deadline_s: Of each request.
        variables: In place of the server's own.
    """
    set_variables(monkeypatch, {**server.environment, **variables})
    url = os.environ["IMAGEFLOW_OBJECT_STORE_URL"]
    return open_object_store(Settings(object_store_url=f"{url}/{uuid.uuid4().hex}", store_deadline_s=deadline_s))
