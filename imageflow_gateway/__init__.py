"""The HTTP edge: REST, tiles and the map page. Rules of the work itself live in `imageflow_surveys`."""
