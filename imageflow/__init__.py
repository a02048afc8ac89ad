"""What programs of users import: the client of live executions, and the messages of gRPC."""
