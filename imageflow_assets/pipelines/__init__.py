"""Live executions that Dagster executes: one run each."""
