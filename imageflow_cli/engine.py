"""`imageflow engine`: execute what clients start, until Ctrl-C."""

import click

from imageflow_cli.options import with_settings
from imageflow_clients.settings import Settings


@click.command()
@with_settings
def engine(settings: Settings) -> None:
    """Execute the pipelines that clients start over the API; `imageflow up` runs one of these.

    Several engines may share a database and an object store, on one machine or many: each takes as many executions at
    once as it has cores. Ctrl-C lets those that go on end, for ten seconds; others are given to another engine.
    """
    from imageflow_engine.serve import serve

    serve(settings)
