"""The object store as a Dagster resource."""

import functools
from pathlib import Path
from typing import Self

import dagster as dg
from pydantic import Field, SecretStr
from typing_extensions import override

from imageflow_clients import s3_account
from imageflow_clients.object_stores import open_object_store
from imageflow_clients.objects import ObjectStore
from imageflow_clients.s3_account import S3Account
from imageflow_clients.settings import ObjectStoreSettings
from imageflow_resources.variables import account_var, env_var


@functools.cache
def shared_object_store(settings: ObjectStoreSettings, account: S3Account) -> ObjectStore:
    """Open a store once for a process, so that all its requests are bounded together."""
    return open_object_store(settings, account)


class ObjectStoreResource(dg.ConfigurableResource[ObjectStore]):
    """Screenshots, tiles, pictures and models: in a folder, or in a bucket of MinIO or any other S3."""

    url: str | None = Field(
        default=None, description="s3://bucket/prefix or file:///folder. Unset: the folder `objects` below `home`."
    )
    home: str = Field(description="Folder that holds `objects`, where no URL is given.")
    endpoint_url: str | None = Field(default=None, description="Where MinIO or another S3 listens. Unset: AWS.")
    region: str | None = Field(default=None, description="Region of the bucket.")
    access_key_id: str | None = Field(
        default=None, description="Name of the S3 account, as an EnvVar. Unset: the machine's own role."
    )
    secret_access_key: str | None = Field(default=None, description="Key of the S3 account, as an EnvVar.")
    session_token: str | None = Field(default=None, description="Of temporary keys, as an EnvVar.")
    allow_http: bool = Field(default=False, description="Keys may travel unencrypted to another machine.")
    deadline_s: float = Field(gt=0, description="Seconds until each request to S3 is over, retries included.")
    requests: int = Field(ge=1, description="Requests of one process to S3 at once; others wait for their turn.")

    @classmethod
    def of(cls, settings: ObjectStoreSettings) -> Self:
        """Return the resource as the environment configures it."""
        return cls(
            url=env_var("IMAGEFLOW_OBJECT_STORE_URL"),
            home=str(settings.home_path),
            allow_http=s3_account.http_is_allowed(),
            deadline_s=settings.store_deadline_s,
            requests=settings.store_requests,
            **{field: account_var(field) for field in s3_account.VARIABLES},
        )

    @override
    def create_resource(self, context: dg.InitResourceContext) -> ObjectStore:
        settings = ObjectStoreSettings(
            home=Path(self.home),
            object_store_url=self.url,
            store_deadline_s=self.deadline_s,
            store_requests=self.requests,
        )
        return shared_object_store(settings, self._account())

    def _account(self) -> S3Account:
        return S3Account(
            endpoint_url=self.endpoint_url,
            region=self.region,
            access_key_id=self.access_key_id,
            secret_access_key=_secret(self.secret_access_key),
            session_token=_secret(self.session_token),
            allow_http=self.allow_http,
        )


def _secret(value: str | None) -> SecretStr | None:
    return None if value is None else SecretStr(value)
