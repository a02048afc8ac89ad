"""Why an execution, a preview or a frame failed, as clients and the history have it."""

import re

from imageflow_domain.errors import ImageFlowError
from imageflow_domain.executions import ExecutionError
from imageflow_domain.texts import storable


def execution_error(error: ImageFlowError) -> ExecutionError:
    """Return an error as it is kept: its code is the name of its class."""
    code = re.sub("(?<!^)(?=[A-Z])", "_", type(error).__name__).upper()
    return ExecutionError(code=code, message=storable(str(error)), step=getattr(error, "step", ""))
