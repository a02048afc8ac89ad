"""The metadata database: its schema, its engine, and one module of queries a noun."""

from sqlalchemy import Connection

__all__ = ["Connection"]
