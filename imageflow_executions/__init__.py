"""The use cases of live executions, one a module, called by gateway, engine and command line. No Dagster, no HTTP."""
