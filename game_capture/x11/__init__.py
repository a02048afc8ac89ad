"""What is particular to programs that are driven by keys and mouse: the words of their YAML, and what each does."""
