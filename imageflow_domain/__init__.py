"""The words that every package shares: values, ids, object keys, ports, errors. No I/O."""
