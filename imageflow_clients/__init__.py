"""Plain clients of the outside world: object store, metadata database, embedded PostgreSQL. No Dagster."""
