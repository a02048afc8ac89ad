"""Values between steps, whose failures are explained, and tried again, as those of the steps themselves."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from typing_extensions import override

from imageflow_assets.failures import explained
from imageflow_clients.objects import ObjectStore
from imageflow_resources.values import KeptValues


class StepValues(KeptValues):
    """As `KeptValues`; errors of the object store become `dg.Failure`, or another attempt of the step."""

    def __init__(self, objects: ObjectStore, waits_s: Sequence[float]) -> None:
        super().__init__(objects)
        self._waits_s = waits_s

    @override
    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        with explained(context.step_context.previous_attempt_count, self._waits_s):
            super().handle_output(context, obj)

    @override
    def load_input(self, context: dg.InputContext) -> Any:
        with explained(context.step_context.previous_attempt_count, self._waits_s):
            return super().load_input(context)


@dg.io_manager(required_resource_keys={"stores", "settings"})
def step_values(context: dg.InitResourceContext) -> StepValues:
    """Keep values between steps in the object store of the resource `stores`."""
    return StepValues(context.resources.stores.objects, context.resources.settings.retry_waits)
