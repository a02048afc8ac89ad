"""Events that are pushed as they happen."""
