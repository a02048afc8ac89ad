"""Measures what the project promises: each module one promise, with `run() -> Result`. The product imports none."""
