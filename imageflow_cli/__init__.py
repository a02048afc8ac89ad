"""The `imageflow` command: surveys from the command line, and the local stack's start and stop."""
