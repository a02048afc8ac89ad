"""Encoded images to pixels: pure code, shared by all that read images."""
