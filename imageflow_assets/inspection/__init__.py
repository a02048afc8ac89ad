"""The inspection line: assets of batches, people's verdicts, statistics, and the sensors that drive them."""
