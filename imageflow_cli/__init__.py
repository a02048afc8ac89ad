"""The `imageflow` command: surveys and inspections from the command line; starts and stops the local stack."""
