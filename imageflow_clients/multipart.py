"""Large objects of S3, sent in parts: a part that fails is sent again by itself, and failed uploads are taken back.

obstore sends parts as well, but leaves them where an upload fails: invisible, kept, and paid for.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import tenacity

from imageflow_clients.s3_account import S3Account

if TYPE_CHECKING:
    from botocore.client import BaseClient

MULTIPART_BYTES: Final = 16 * 2**20
"""An object of as much or more is sent in parts."""
PART_BYTES: Final = 8 * 2**20
TAKING_BACK_S: Final = 10.0
"""How much longer than its deadline an upload in parts may take, to take its parts back."""
_ANSWER_S = 10.0


class PartsFailed(Exception):
    """An upload in parts failed; it says what the server said."""


class MultipartUploads:
    """Uploads in parts to one bucket. Safe to share among threads."""

    def __init__(self, bucket: str, prefix: str, *, account: S3Account) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._account = account

    def put(self, key: str, data: bytes, *, seconds: float) -> None:
        """Write an object whole, or leave nothing of it; raise `PartsFailed`.

        Args:
            key: Below the prefix.
            data: All of it.
            seconds: After which nothing is tried again.
        """
        patience = _patience(seconds)
        target = {"Bucket": self._bucket, "Key": self._full(key)}
        try:
            target["UploadId"] = patience(self._client.create_multipart_upload, **target)["UploadId"]
            try:
                parts = [
                    self._send(patience, target, number, data[begin : begin + PART_BYTES])
                    for number, begin in enumerate(range(0, len(data), PART_BYTES), start=1)
                ]
                self._complete(patience, target, parts, data)
            except BaseException:
                with suppress(Exception):  # the first error counts, and a sweep takes the parts back
                    _patience(TAKING_BACK_S / 2)(self._client.abort_multipart_upload, **target)
                raise
        except _client_errors() as error:
            raise PartsFailed(str(error)) from error

    def take_back(self, *, older_than: timedelta) -> int:
        """Abort uploads of at least this age that were never completed: their processes were killed.

        Returns how many; raises `PartsFailed`.
        """
        before = datetime.now(UTC) - older_than
        try:
            return sum(
                self._abort(upload)
                for upload in self._begun()
                if upload["Key"].startswith(self._prefix) and upload["Initiated"] <= before
            )
        except _client_errors() as error:
            raise PartsFailed(str(error)) from error

    def _begun(self) -> Iterator[Mapping[str, Any]]:
        # Without a prefix: MinIO takes one for a whole key here.
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket)
        try:
            for page in pages:
                yield from page.get("Uploads", ())
        except self._client.exceptions.NoSuchUpload:
            return  # rclone's answer where no upload was begun since its start

    def _abort(self, upload: Mapping[str, Any]) -> bool:
        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        except self._client.exceptions.NoSuchUpload:
            return False  # completed meanwhile, or aborted by another process
        return True

    def _send(self, patience: tenacity.Retrying, target: dict[str, str], number: int, part: bytes) -> dict[str, Any]:
        sent = patience(self._client.upload_part, **target, PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": sent["ETag"]}

    def _complete(
        self, patience: tenacity.Retrying, target: dict[str, str], parts: list[dict[str, Any]], data: bytes
    ) -> None:
        try:
            patience(self._client.complete_multipart_upload, **target, MultipartUpload={"Parts": parts})
        except self._client.exceptions.NoSuchUpload:
            # So the second request is answered where the answer to the first was lost.
            if not self._is_whole(patience, target["Key"], data):
                raise

    def _is_whole(self, patience: tenacity.Retrying, key: str, data: bytes) -> bool:
        """Whether the object is there, as these parts make it."""
        try:
            found = patience(self._client.head_object, Bucket=self._bucket, Key=key)
        except _client_errors():
            return False
        return bool(found["ContentLength"] == len(data) and _is_of_parts(found["ETag"].strip('"'), data))

    def _full(self, key: str) -> str:
        return f"{self._prefix}{key}"

    @cached_property
    def _client(self) -> "BaseClient":
        # Takes a quarter of a second to import, and most processes send nothing large.
        from boto3.session import Session
        from botocore.config import Config

        account = self._account
        secret, token = account.secret_access_key, account.session_token
        return Session().client(
            "s3",
            endpoint_url=account.endpoint_url,
            region_name=account.region,
            aws_access_key_id=account.access_key_id,
            aws_secret_access_key=secret and secret.get_secret_value(),
            aws_session_token=token and token.get_secret_value(),
            config=Config(
                connect_timeout=5,
                read_timeout=_ANSWER_S,
                retries={"total_max_attempts": 1},  # ours have a deadline
                s3={"addressing_style": "path"},
            ),
        )


def _patience(seconds: float) -> tenacity.Retrying:
    """Return what calls a function again until `seconds` from now are over; its last error passes."""
    deadline = time.monotonic() + seconds
    return tenacity.Retrying(
        stop=lambda _: time.monotonic() > deadline,
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
        retry=tenacity.retry_if_exception(_may_pass),
        reraise=True,
    )


def _is_of_parts(etag: str, data: bytes) -> bool:
    """Whether a server calls an object so that was sent in parts: by their number, or rclone by the MD5 of all."""
    number = -(-len(data) // PART_BYTES)
    return etag.endswith(f"-{number}") or etag == hashlib.md5(data, usedforsecurity=False).hexdigest()


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed in a moment: nothing answered, or the server said that it failed."""
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NoConnection

    if isinstance(error, ClientError):
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500)
    return isinstance(error, (NoConnection, HTTPClientError))


def _client_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError
