"""Rows of products, batches, results and verdicts: their tables, and one module of queries a noun."""
