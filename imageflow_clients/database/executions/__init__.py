"""Rows of executions: the history by month, what waits, and who works on what."""
