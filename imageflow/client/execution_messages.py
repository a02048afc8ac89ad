"""What messages of several services of gRPC have in common."""

from imageflow.client.request import StartRequest
from imageflow.client.values import Output, Problem
from imageflow.v1 import image_processing_pb2 as pb
from imageflow_domain.executions import Priority

_PRIORITIES = {Priority.LOW: pb.LOW, Priority.NORMAL: pb.NORMAL, Priority.HIGH: pb.HIGH}


def metadata_of(request: StartRequest) -> pb.ImageMetadata:
    """Return which pipeline is asked for, and how."""
    config = pb.PipelineConfig(
        pipeline_id=request.pipeline or "",
        parameters=request.parameters,
        priority=_PRIORITIES[request.priority],
    )
    return pb.ImageMetadata(client_id=request.client_id, pipeline_config=config)


def output_of(output: pb.OutputFile) -> Output:
    """Return an output."""
    return Output(
        name=output.name,
        sha256=output.sha256,
        size=output.size,
        media_type=output.media_type,
        kind=output.kind,
        data=output.data,
    )


def problem_of(error: pb.ErrorDetails) -> Problem:
    """Return why something failed."""
    return Problem(code=error.code, message=error.message, step=error.metadata.get("failed_step", ""))
