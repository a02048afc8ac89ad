"""The embedded PostgreSQL from the inside: its folder, its account, and the process that owns the server."""
