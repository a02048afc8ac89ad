"""Real servers for tests and development, on free loopback ports: MinIO, a second S3 server, PostgreSQL.

One module a server. Nothing of ImageFlow's own imports this package, and its wheel does not contain it.
"""
