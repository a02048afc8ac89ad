"""A module for each game driver; `game_capture.registry` lists them, and imports the one that is chosen."""
