"""`imageflow engine`: execute what clients start, until Ctrl-C."""

import click

from imageflow_cli.options import with_settings
from imageflow_clients.settings import Settings


@click.command()
@click.option("--grpc-port", type=click.IntRange(0, 65_535), help="Port of gRPC (default 50051); 0: no gRPC.")
@with_settings
def engine(settings: Settings, grpc_port: int | None) -> None:
    """Execute the pipelines that clients start over the API; `imageflow up` runs one of these.

    Several engines may share a database and an object store, on one machine or many: each takes as many executions at
    once as it has cores. Those of one machine need different ports of gRPC, or 0. Ctrl-C lets those that go on end, for
    ten seconds; others are given to another engine.
    """
    from imageflow_engine.serve import serve

    serve(settings if grpc_port is None else settings.model_copy(update={"engine_grpc_port": grpc_port}))
