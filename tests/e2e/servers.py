"""The command line on MinIO and a given PostgreSQL, and what lies in the bucket."""

import hashlib
from pathlib import Path

import boto3

from services.minio import Minio
from services.postgres import Postgres
from services.s3_server import BUCKET
from tests.cli.here import within
from tests.e2e.stack import EXAMPLE, Cli, environment, free_port

_GAMES = """
title: The example's frames
driver: {{name: folder}}
source: {source}
"""


def cli_on(minio: Minio, postgres: Postgres, folder: Path, **variables: str) -> Cli:
    """Return the command line on the servers: a migrated database, and a prefix of its own in the bucket."""
    name = f"e2e_{folder.name}".lower().replace("-", "_")[:60]
    postgres.create_database(name)
    (folder / "games").mkdir()
    (folder / "games" / "openttd.yaml").write_text(_GAMES.format(source=EXAMPLE))
    settings = {
        **minio.environment,
        "IMAGEFLOW_OBJECT_STORE_URL": f"s3://{BUCKET}/{name}",
        "IMAGEFLOW_DATABASE_URL": postgres.url(name),
        "IMAGEFLOW_GATEWAY_PORT": str(free_port()),
        "IMAGEFLOW_DAGSTER_PORT": str(free_port()),
        "IMAGEFLOW_ENGINE_GRPC_PORT": str(free_port()),
        "IMAGEFLOW_GAMES": str(folder / "games"),
        **variables,
    }
    cli = Cli(home=folder / "home", env=environment(folder / "home", **settings))
    with within(cli) as here:
        here.run("migrate")
    return cli


def tiles_in_bucket(cli: Cli, minio: Minio) -> dict[str, str]:
    """Return the digest of every tile object's bytes by the object's name."""
    prefix = cli.env["IMAGEFLOW_OBJECT_STORE_URL"].removeprefix(f"s3://{BUCKET}/") + "/tiles/"
    variables = minio.environment
    client = boto3.session.Session(
        variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1"
    ).client("s3", endpoint_url=variables["AWS_ENDPOINT_URL"])
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix):
        for entry in page.get("Contents", ()):
            data = client.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read()
            found[entry["Key"].removeprefix(prefix)] = hashlib.sha256(data).hexdigest()
    return found
