"""Note which run works on a block, and why it failed, for pages and the next run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from imageflow_clients.database.maps import attempts
from imageflow_clients.stores import Stores
from imageflow_domain.errors import DatabaseUnavailable, ImageFlowError
from imageflow_domain.grid import Block
from imageflow_domain.survey import Layer


@contextmanager
def attempt(stores: Stores, survey_id: str, layer: Layer, block: Block | None, run_id: str | None) -> Iterator[None]:
    """Note that a run begins a block, or a layer without blocks, and why the body failed.

    Args:
        run_id: `None` where no run of Dagster works; then nothing is noted.
    """
    if run_id is None:
        yield
        return
    with stores.database.begin() as connection:
        attempts.begin(connection, survey_id, layer, block, run_id)
    try:
        yield
    except ImageFlowError as error:
        # without a database the failure cannot be noted; the error itself reaches the caller
        with suppress(DatabaseUnavailable), stores.database.begin() as connection:
            attempts.fail(connection, survey_id, layer, block, run_id, str(error))
        raise
