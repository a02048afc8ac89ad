"""Live executions over REST."""
