"""Encoded images to pixels: pure code."""
