"""The inspection line: assets of batches, what people say of them, statistics, and the sensors that drive them."""
