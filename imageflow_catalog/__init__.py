"""Published pipelines, found by name and version, and the models that they need. Nothing here runs one."""
