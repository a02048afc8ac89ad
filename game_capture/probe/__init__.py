"""Measures how a program is driven: how far its camera goes, which part of its window shows the map, how long it takes.

What is computed is kept apart from what is pressed: `scale`, `settling` and `parts` know neither displays nor programs.
"""
