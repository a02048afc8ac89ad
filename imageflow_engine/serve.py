"""The engine's process: opens what executions need, and executes until SIGINT or SIGTERM."""

import logging
import os
import signal
import uuid
from contextlib import AbstractContextManager, nullcontext

from imageflow_clients.inference.opening import open_models
from imageflow_clients.process_meter import ProcessMeter
from imageflow_clients.settings import Settings
from imageflow_clients.step_logging import step_logging
from imageflow_clients.step_process import StepProcesses
from imageflow_clients.stores import Stores, open_stores
from imageflow_edge.logs import configure_logs
from imageflow_edge.openness import check_openness
from imageflow_engine.resident import Resident
from imageflow_engine.rpc.server import RpcServer
from imageflow_executions.execute import Executor
from imageflow_executions.journal import Journal
from imageflow_executions.months import prepare_months
from imageflow_executions.preview import HELD_BYTES, REUSED_BYTES, Previews
from imageflow_executions.samples import Samples
from imageflow_executions.streams import Streams
from imageflow_pipelines.engine import Engine
from imageflow_pipelines.reuse import Reuse

_GRACE_S = 10.0
"""What executions that go on get to end by themselves; then another engine begins them again."""

_LOG = logging.getLogger(__name__)

_STOPS = (signal.SIGINT, signal.SIGTERM)


def serve(settings: Settings) -> None:
    """Execute what waits until SIGINT or SIGTERM; raise `Unavailable` where a store cannot be opened.

    Raises `InvalidInput` where other machines would reach what was not opened.
    """
    configure_logs()
    if settings.engine_grpc_port:
        check_openness(settings)
    stores = open_stores(settings)
    name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    with stores.database, StepProcesses(kept=settings.step_processes) as processes:
        prepare_months(stores)
        models = open_models(settings, stores.objects)
        previewing = Engine(
            models=models, isolation=processes, reuse=Reuse(max_bytes=REUSED_BYTES), most_held_bytes=HELD_BYTES
        )
        with (
            step_logging(),
            Engine(models=models, isolation=processes, meter=ProcessMeter()) as engine,
            previewing,
            Journal(stores, name) as journal,
        ):
            resident = Resident(
                stores, Executor(stores, engine, journal, name, log_lines=settings.execution_log_lines), name
            )
            previews = Previews(stores, previewing, Samples())
            with _rpc(settings, stores, previews, Streams(stores, engine, name), resident) as rpc:

                def stop(*_: object) -> None:
                    resident.stop()
                    if rpc is not None:
                        rpc.stop(grace_s=_GRACE_S)

                for number in _STOPS:
                    signal.signal(number, stop)
                _LOG.info("takes executions", extra={"fields": {"engine": name}})
                try:
                    resident.run(grace_s=_GRACE_S)
                finally:
                    for number in _STOPS:
                        signal.signal(
                            number, signal.SIG_DFL
                        )  # what remains ends soon, and a further signal ends it now


def _rpc(
    settings: Settings, stores: Stores, previews: Previews, streams: Streams, resident: Resident
) -> AbstractContextManager[RpcServer | None]:
    if not settings.engine_grpc_port:
        return nullcontext()
    return RpcServer(settings, stores, previews, streams, resident.place)
