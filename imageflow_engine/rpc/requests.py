"""What a client asks for by gRPC, as the use cases take it."""

import json
from collections.abc import Mapping
from typing import Any

from imageflow.v1 import image_processing_pb2 as pb
from imageflow.v1.limits import IMAGE
from imageflow_domain.errors import InvalidInput
from imageflow_domain.executions import Priority
from imageflow_executions.start import StartRequest

_PRIORITIES = {pb.LOW: Priority.LOW, pb.NORMAL: Priority.NORMAL, pb.HIGH: Priority.HIGH}


def start_request(
    metadata: pb.ImageMetadata, *, correlation: str, key: str | None, spec_json: str = ""
) -> StartRequest:
    """Return the request for an execution; raise `InvalidInput` for a spec that is no JSON, or no priority."""
    config = metadata.pipeline_config
    return StartRequest(
        pipeline=config.pipeline_id or None,
        spec=parsed_spec(spec_json) if spec_json else None,
        parameters=dict(config.parameters),
        priority=_priority(config),
        client=metadata.client_id,
        correlation=correlation,
        key=key,
        protocol="grpc",
    )


def images_of(request: pb.ImageRequest) -> Mapping[str, bytes]:
    """Return the images of a request by the pipeline's inputs; raise `InvalidInput` where it has them in both ways."""
    if request.images and request.image_data:
        raise InvalidInput("Send image_data, or images for a pipeline with several inputs: one of the two.")
    return dict(request.images) or {IMAGE: request.image_data}


def parsed_spec(text: str) -> Mapping[str, Any]:
    """Return a spec as data; raise `InvalidInput` for text that is no JSON object."""
    try:
        spec = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"'spec_json' is no JSON: {error}.") from error
    if not isinstance(spec, dict):
        raise InvalidInput("'spec_json' is no JSON object.")
    return spec


def _priority(config: pb.PipelineConfig) -> Priority:
    if not config.HasField("priority"):
        return Priority.NORMAL
    if config.priority not in _PRIORITIES:
        raise InvalidInput(f"{int(config.priority)} is no priority: it is LOW (0), NORMAL (1) or HIGH (2).")
    return _PRIORITIES[config.priority]
