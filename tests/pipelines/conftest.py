"""Laws are tried on many examples, on machines that may be busy: slowness is no fault."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from imageflow_clients.step_process import StepProcesses

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="module")
def processes() -> Iterator[StepProcesses]:
    with StepProcesses() as processes:
        yield processes
