"""Credentials and address of an S3 server: by the usual `AWS_*` variables, or as given."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from pydantic import SecretStr

VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "session_token": ("AWS_SESSION_TOKEN",),
}
"""Field of `S3Account` to the variables that give it; the first that is set counts."""


@dataclass(frozen=True, kw_only=True)
class S3Account:
    """What is `None` here, the S3 clients look for by themselves: a role of the machine, AWS's own endpoint."""

    endpoint_url: str | None = None
    """Where MinIO or another S3 listens."""
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    allow_http: bool = False
    """Keys may travel unencrypted to another machine."""

    @classmethod
    def of_environment(cls) -> Self:
        """Return what the `AWS_*` variables say."""
        return cls(
            endpoint_url=_value("endpoint_url"),
            region=_value("region"),
            access_key_id=_value("access_key_id"),
            secret_access_key=_secret("secret_access_key"),
            session_token=_secret("session_token"),
            allow_http=http_is_allowed(),
        )


def variable_of(field: str) -> str | None:
    """Return the name of the variable that gives a field of `S3Account`, `None` where none is set."""
    return next((name for name in VARIABLES[field] if os.environ.get(name)), None)


def http_is_allowed() -> bool:
    """Return whether AWS_ALLOW_HTTP says so."""
    return os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"


def _value(field: str) -> str | None:
    name = variable_of(field)
    return None if name is None else os.environ[name]


def _secret(field: str) -> SecretStr | None:
    value = _value(field)
    return None if value is None else SecretStr(value)
