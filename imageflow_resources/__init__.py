"""Thin Dagster resources: configuration and lifetime of one client each, and where Dagster itself keeps its records."""
