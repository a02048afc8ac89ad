"""Empty stores for each test; the Dagster instance is that of all tests of assets."""

from tests.inspection.conftest import any_stores, stores

__all__ = ["any_stores", "stores"]
