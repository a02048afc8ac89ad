"""What the API answers and takes, made from domain values at the edge; one module a noun."""
