"""Inspection: products, batches, results, and people's verdicts."""
