"""REST, a package a domain: `<noun>.py` has the routes of a noun, `<noun>_schema.py` what goes in and out."""
