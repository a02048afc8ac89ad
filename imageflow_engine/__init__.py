"""The resident engine: takes executions from the queue, keeps models and step processes warm, reports each step."""
