"""Backups: encrypted dumps of the database, a replica of the objects, and how both are restored and checked."""
