"""Games under a virtual display: start, move the camera, grab, settle; `drivers/` has a module for each game."""
