"""Where the objects and their replica lie, for whole-store copies."""

from urllib.parse import urlsplit

from imageflow_clients.backup_store import backup_account, backup_url
from imageflow_clients.replication import Place
from imageflow_clients.s3_account import S3Account
from imageflow_clients.settings import ObjectStoreSettings, Settings
from imageflow_domain.errors import InvalidInput


def objects_place(settings: ObjectStoreSettings) -> Place:
    """Return the object store."""
    url = settings.object_store_url or (settings.home_path / "objects").as_uri()
    return Place(url=url, account=S3Account.of_environment())


def backup_place(settings: Settings) -> Place:
    """Return the backup store; raise `InvalidInput` where it is not set, or is not apart from the object store."""
    place = Place(url=backup_url(settings), account=backup_account(settings))
    objects = objects_place(settings)
    own, other = _address(place), _address(objects)
    if own.startswith(other) or other.startswith(own):
        raise InvalidInput(
            f"IMAGEFLOW_BACKUP_URL ('{place.url}') and the object store ('{objects.url}') lie inside one another: "
            "name another bucket or folder for backups."
        )
    return place


def _address(place: Place) -> str:
    parts = urlsplit(place.url)
    server = place.account.endpoint_url or "" if place.is_bucket else ""
    return f"{server}|{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"
