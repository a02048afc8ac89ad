"""Finds a part in an image by a reference image: pure code, which knows no components and no registry."""
