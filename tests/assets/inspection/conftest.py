"""Empty stores for each test, on one database server; the Dagster instance is that of all tests of assets."""

from tests.inspection.conftest import any_stores, databases, server, stores

__all__ = ["any_stores", "databases", "server", "stores"]
