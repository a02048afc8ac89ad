"""Rows of published pipelines and of container components."""
