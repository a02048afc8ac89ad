"""The public gRPC service of an engine: what comes in becomes calls of use cases. No rules of executions."""
