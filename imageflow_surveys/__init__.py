"""The use cases of maps, one a module, called by assets, gateway and command line. No Dagster, no HTTP."""
