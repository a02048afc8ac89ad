"""Rows of published pipelines."""
