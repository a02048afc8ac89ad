"""The engine's process: opens what executions need, and executes until SIGINT or SIGTERM."""

import logging
import os
import signal
import uuid

from imageflow_clients.inference.opening import open_models
from imageflow_clients.settings import Settings
from imageflow_clients.step_process import StepProcesses
from imageflow_clients.stores import open_stores
from imageflow_edge.logs import configure_logs
from imageflow_engine.resident import Resident
from imageflow_executions.execute import Executor
from imageflow_executions.journal import Journal
from imageflow_executions.months import prepare_months
from imageflow_pipelines.engine import Engine

_GRACE_S = 10.0
"""What executions that go on get to end by themselves; then another engine begins them again."""

_LOG = logging.getLogger(__name__)

_STOPS = (signal.SIGINT, signal.SIGTERM)


def serve(settings: Settings) -> None:
    """Execute what waits until SIGINT or SIGTERM; raise `Unavailable` where a store cannot be opened."""
    configure_logs()
    stores = open_stores(settings)
    name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    with stores.database, StepProcesses(kept=settings.step_processes) as processes:
        prepare_months(stores)
        models = open_models(settings, stores.objects)
        with Engine(models=models, isolation=processes) as engine, Journal(stores, name) as journal:
            resident = Resident(stores, Executor(stores, engine, journal, name), name)
            for number in _STOPS:
                signal.signal(number, lambda *_: resident.stop())
            _LOG.info("takes executions", extra={"fields": {"engine": name}})
            resident.run(grace_s=_GRACE_S)
