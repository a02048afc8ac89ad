"""Rows of surveys, screenshots, tiles and markers: their tables, and one module of queries a noun."""
