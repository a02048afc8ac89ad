"""The map's use cases, one a module; called by assets, gateway and command line. No Dagster."""
