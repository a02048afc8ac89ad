"""The catalogue: components, pipelines and models."""
