"""The messages of the public gRPC service, made from `image_processing.proto` by `make proto`."""
