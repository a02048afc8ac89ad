"""The vocabulary that all packages share: values, ids, object keys, ports, errors. No I/O."""
