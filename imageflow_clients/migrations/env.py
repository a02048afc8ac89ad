"""What alembic runs: migrations on the connection that it is handed, within the caller's transaction."""

from alembic import context

from imageflow_clients.database.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
