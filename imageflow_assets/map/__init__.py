"""The map line: six assets from screenshots to cleanup, their checks, and the sensors that request its runs."""
