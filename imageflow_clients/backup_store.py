"""The backup store: another bucket, or folder, for backups of the database and a replica of the objects."""

from imageflow_clients.object_stores import open_object_store
from imageflow_clients.objects import ObjectStore
from imageflow_clients.s3_account import S3Account, http_is_allowed
from imageflow_clients.settings import BackupSettings, ObjectStoreSettings
from imageflow_domain.errors import InvalidInput


def open_backup_store(settings: BackupSettings) -> ObjectStore:
    """Return the store of IMAGEFLOW_BACKUP_URL; raise `InvalidInput` where it is not set."""
    of_store = ObjectStoreSettings(object_store_url=backup_url(settings))
    return open_object_store(of_store, account=backup_account(settings))


def backup_url(settings: BackupSettings) -> str:
    """Return IMAGEFLOW_BACKUP_URL; raise `InvalidInput` where it is not set."""
    if settings.backup_url is None:
        raise InvalidInput("Set IMAGEFLOW_BACKUP_URL to where backups lie, such as s3://bucket/prefix.")
    return settings.backup_url


def backup_account(settings: BackupSettings) -> S3Account:
    """Return the account of the backup store; what is not set is as for the object store."""
    own = S3Account.of_environment()
    return S3Account(
        endpoint_url=settings.backup_endpoint_url or own.endpoint_url,
        region=settings.backup_region or own.region,
        access_key_id=settings.backup_access_key_id or own.access_key_id,
        secret_access_key=settings.backup_secret_access_key or own.secret_access_key,
        session_token=None if settings.backup_access_key_id else own.session_token,
        allow_http=http_is_allowed(),
    )
