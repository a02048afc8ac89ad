"""The metadata database: its schema, its engine, and one module of queries a noun."""
