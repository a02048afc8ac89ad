"""The metadata database as a Dagster resource."""

import functools
from pathlib import Path
from typing import Self

import dagster as dg
from pydantic import Field
from typing_extensions import override

from imageflow_clients.database.core.engine import Database, open_database
from imageflow_clients.settings import DatabaseSettings
from imageflow_resources.variables import env_var


@functools.cache
def shared_database(settings: DatabaseSettings) -> Database:
    """Open a database once for a process: sensors ask for it every second."""
    return open_database(settings)


class DatabaseResource(dg.ConfigurableResource[Database]):
    """PostgreSQL for surveys, tiles and inspections: a server that is given, or the embedded one."""

    url: str | None = Field(
        default=None,
        description="postgresql://user:password@host:5432/name, as an EnvVar. Unset: the embedded server below `home`.",
    )
    home: str = Field(description="Folder in which the embedded server keeps its data, as `postgres`.")

    @classmethod
    def of(cls, settings: DatabaseSettings) -> Self:
        """Return the resource as the environment configures it."""
        return cls(url=env_var("IMAGEFLOW_DATABASE_URL"), home=str(settings.home_path))

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Database:
        return shared_database(DatabaseSettings(home=Path(self.home), database_url=self.url))
