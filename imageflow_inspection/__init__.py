"""The use cases of inspection, one a module, called by assets, gateway and command line. No Dagster, no HTTP."""
