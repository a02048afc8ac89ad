"""Inspection: products, batches, results, and what people say of them."""
