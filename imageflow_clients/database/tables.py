"""Every table of the metadata database, of all domains. Migrations follow them; a test compares."""

from imageflow_clients.database.catalog import schema as catalog
from imageflow_clients.database.core import schema as core
from imageflow_clients.database.core.metadata import metadata
from imageflow_clients.database.executions import schema as executions
from imageflow_clients.database.inspection import schema as inspection
from imageflow_clients.database.maps import schema as maps
from imageflow_clients.database.maps import tile_schema as tiles

DOMAINS = (core, maps, tiles, inspection, catalog, executions)
"""The modules that define them."""

__all__ = ["DOMAINS", "metadata"]
