"""Plain clients: object store, metadata database, embedded PostgreSQL, inference, Dagster's GraphQL. No rules."""
