"""A simulated city: its art, its map and its traffic, as functions of seeds and whole pixels. No clock, no I/O."""
