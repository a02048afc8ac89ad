"""Opens the object store that settings name: a folder, or a bucket of S3. Who we are to S3 is `s3_account`'s affair."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from imageflow_clients.multipart import MultipartUploads
from imageflow_clients.objects import Bucket, ObjectStore
from imageflow_clients.s3_account import S3Account
from imageflow_clients.settings import ObjectStoreSettings
from imageflow_clients.store_failures import explain
from imageflow_clients.store_requests import BoundedRequests
from imageflow_domain.errors import InvalidInput

if TYPE_CHECKING:
    from obstore.store import S3Config

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_RETRIED = 0.8


def open_object_store(settings: ObjectStoreSettings, account: S3Account | None = None) -> ObjectStore:
    """Return the store of these settings; S3 is first asked when used.

    Args:
        settings: Say which store.
        account: Who we are to an S3 server; by default what the environment says.

    Raises `StoreUnavailable` or `InvalidInput`.
    """
    url = settings.object_store_url
    if url is None:
        return _open_folder(settings.home_path / "objects")
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        return _open_folder(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return _open_bucket(settings, account or S3Account.of_environment(), parts.netloc, parts.path.strip("/"))
    raise InvalidInput("IMAGEFLOW_OBJECT_STORE_URL must look like s3://bucket/prefix or file:///folder.")


def _open_folder(folder: Path) -> ObjectStore:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return ObjectStore(LocalStore(folder, automatic_cleanup=True), label=f"the folder '{folder}'")
    except (BaseError, OSError) as error:
        raise explain(f"the folder '{folder}'", str(folder), error, request="write") from error


def _open_bucket(settings: ObjectStoreSettings, account: S3Account, bucket: str, prefix: str) -> ObjectStore:
    parts = urlsplit(account.endpoint_url or "")
    label = f"'s3://{bucket}' at {parts.netloc.rpartition('@')[2] or 'AWS'}"
    config: S3Config = {"virtual_hosted_style_request": False, **_given(account)}
    store = S3Store(
        bucket,
        config=config,
        prefix=prefix or None,
        client_options={
            # Keys travel unencrypted over http: only within this machine, or when told so.
            "allow_http": parts.hostname in _LOOPBACK or account.allow_http,
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(seconds=settings.store_deadline_s),
        },
        # It gives up a little before the deadline, so that its reason is heard.
        retry_config={
            "max_retries": 1000,
            "retry_timeout": timedelta(seconds=_RETRIED * settings.store_deadline_s),
            "backoff": {"max_backoff": timedelta(seconds=min(2, settings.store_deadline_s / 10))},
        },
    )
    return ObjectStore(
        store,
        label=label,
        bucket=Bucket(
            BoundedRequests(deadline_s=settings.store_deadline_s, at_once=settings.store_requests),
            MultipartUploads(bucket, f"{prefix}/" if prefix else "", account=account),
        ),
    )


def _given(account: S3Account) -> "S3Config":
    """Return the settings of an account for obstore, which finds the rest by itself."""
    given: S3Config = {}
    if account.endpoint_url is not None:
        given["endpoint"] = account.endpoint_url
    if account.region is not None:
        given["region"] = account.region
    if account.access_key_id is not None:
        given["access_key_id"] = account.access_key_id
    if account.secret_access_key is not None:
        given["secret_access_key"] = account.secret_access_key.get_secret_value()
    if account.session_token is not None:
        given["session_token"] = account.session_token.get_secret_value()
    return given
