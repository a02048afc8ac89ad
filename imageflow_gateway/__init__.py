"""The HTTP edge: REST, tiles and pages. Rules of the work live in the use cases."""
