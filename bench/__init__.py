"""Measures what the project promises: each module one promise, with `run() -> Result`. No module is imported by the product."""
