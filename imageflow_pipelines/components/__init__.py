"""One component a file. A new one is a file here, a line in `registry.py`, and a golden sample among the tests."""
