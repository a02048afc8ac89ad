"""Thin Dagster resources: configuration and lifetime of one client each, and Dagster's own storage."""
