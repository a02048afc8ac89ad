"""Published pipelines, found by name and version, and the components and models that they need. Nothing runs here."""
