"""MinIO with one bucket, and an account that has only the rights that ImageFlow needs."""

import json
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from minio import Minio as Client
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig, SuffixFilterRule

from imageflow_domain.errors import Unavailable
from services.build import minio_program
from services.child import Child
from services.s3_server import ACCOUNT, BUCKET, S3Server

POLICY: Mapping[str, Any] = json.loads(Path(__file__).with_name("bucket-policy.json").read_text(encoding="utf-8"))
_READY_S = 60.0
_POLL_S = 0.05
_ROOT = "root-of-tests"
_WRITING = {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}


class Minio(S3Server):
    """A MinIO server in a folder."""

    name = "minio"

    def __init__(self, folder: Path, *, variables: Mapping[str, str] | None = None) -> None:
        """Start it.

        Args:
            folder: For what it keeps.
            variables: Further ones of MinIO's own, such as those of its notifications.
        """
        super().__init__(folder)
        self._variables = dict(variables or {})
        self._program = minio_program()
        self._root_secret = secrets.token_hex(16)
        self.start()
        self._client().make_bucket(BUCKET)
        self._admin().user_add(ACCOUNT, self._secret)
        self.set_policy(POLICY)

    def start(self) -> None:
        """Start it, with what it kept."""
        self._child = Child(
            [self._program, "server", "--quiet", "--address", f"127.0.0.1:{self._port}", self._folder / "data"],
            log=self._folder / "minio.log",
            port=self._port,
            environment={
                "MINIO_ROOT_USER": _ROOT,
                "MINIO_ROOT_PASSWORD": self._root_secret,
                "MINIO_BROWSER": "off",
                "MINIO_UPDATE": "off",
                **self._variables,
            },
        )
        self._await_ready()

    def _await_ready(self) -> None:
        """Return once it takes requests: before, it asks its clients to come again in a minute."""
        deadline = time.monotonic() + _READY_S
        while not httpx.get(f"http://127.0.0.1:{self._port}/minio/health/ready", timeout=5).is_success:
            if time.monotonic() > deadline:
                raise Unavailable(f"MinIO did not get ready: its log is '{self._folder / 'minio.log'}'.")
            time.sleep(_POLL_S)

    def set_policy(self, policy: Mapping[str, Any]) -> None:
        """Give ImageFlow's account exactly these rights, from now on."""
        self._admin().policy_add(ACCOUNT, policy=dict(policy))
        self._admin().policy_set(ACCOUNT, user=ACCOUNT)

    def set_read_only(self, *, read_only: bool) -> None:
        """Take the right to write from ImageFlow's account, or give it back."""
        rights = [
            {**statement, "Action": [one for one in statement["Action"] if one not in _WRITING]}
            for statement in POLICY["Statement"]
        ]
        self.set_policy({**POLICY, "Statement": rights} if read_only else POLICY)

    def notify(self, queue: str, *, prefix: str, suffix: str) -> None:
        """Notify a queue, by its ARN, of every object that is written under such a key, as `mc event add` sets it."""
        config = QueueConfig(
            events=["s3:ObjectCreated:*"],
            config_id="written",
            prefix_filter_rule=PrefixFilterRule(value=prefix),
            suffix_filter_rule=SuffixFilterRule(value=suffix),
            queue=queue,
        )
        self._client().set_bucket_notification(BUCKET, NotificationConfig(queue_config_list=[config]))

    def unfinished(self, key: str) -> list[str]:
        """Return the ids of the uploads in parts to `key` that were neither completed nor taken back."""
        found = self._client()._list_multipart_uploads(BUCKET, prefix=key)
        return [str(upload.upload_id) for upload in found.uploads]

    def holds(self, prefix: str) -> bool:
        """Whether there is an object whose key begins so."""
        return any(True for _ in self._client().list_objects(BUCKET, prefix=prefix, recursive=True))

    def _client(self) -> Client:
        return Client(endpoint=f"127.0.0.1:{self._port}", access_key=_ROOT, secret_key=self._root_secret, secure=False)

    def _admin(self) -> MinioAdmin:
        return MinioAdmin(
            endpoint=f"127.0.0.1:{self._port}",
            credentials=StaticProvider(_ROOT, self._root_secret),
            secure=False,
        )
