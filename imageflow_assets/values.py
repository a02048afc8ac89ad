"""Values between steps, whose failures are explained, and tried again, as those of the steps themselves."""

from typing import Any

import dagster as dg

from imageflow_assets.failures import explained
from imageflow_resources.values import KeptValues


class StepValues(KeptValues):
    """As `KeptValues`; errors of the object store become `dg.Failure`, or another attempt of the step."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        with explained(context.step_context.previous_attempt_count):
            super().handle_output(context, obj)

    def load_input(self, context: dg.InputContext) -> Any:
        with explained(context.step_context.previous_attempt_count):
            return super().load_input(context)


@dg.io_manager(required_resource_keys={"stores"})
def step_values(context: dg.InitResourceContext) -> StepValues:
    """Keep values between steps in the object store of the resource `stores`."""
    return StepValues(context.resources.stores.objects)
