"""What both ends of the gRPC service agree on."""

MOST_MESSAGE_BYTES = 4 * 2**20
"""Of one message; gRPC's own default."""

CHUNK_BYTES = 2**20
"""Of an image or an output in one message of several."""

PINGS_S = 30.0
"""How often a client may ask whether the connection is alive; the server takes pings that are a third more frequent."""

SERVICE = "imageflow.v1.ImageProcessingService"
PREVIEW_SERVICE = "imageflow.v1.PreviewService"
VIDEO_SERVICE = "imageflow.v1.VideoService"

IMAGE = "image"
"""What the one image of a request is called; a pipeline with one input takes it under any name."""

KEY = "idempotency-key"
"""The metadata under which calls that are repeated are the same execution."""

STATUS_DETAILS = "grpc-status-details-bin"
"""The metadata in which an error has its details."""
