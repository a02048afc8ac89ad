import uuid

from imageflow_domain.execution_events import step_changed
from imageflow_domain.executions import StepFacts

_FAILED = {"seconds": 0.1, "error": "a model did not answer"}
_DONE = {"seconds": 0.1, "error": ""}


def test_a_step_has_the_error_of_its_last_failed_try_as_its_event_has() -> None:
    done = StepFacts(step="find", place=0, status="done", started_s=0, seconds=0.2, tries=(_FAILED, _DONE))
    assert done.error == _FAILED["error"]
    assert step_changed(uuid.uuid4(), done, attempt=1).data["error"] == done.error


def test_a_step_that_never_failed_has_no_error() -> None:
    done = StepFacts(step="find", place=0, status="done", started_s=0, seconds=0.1, tries=(_DONE,))
    assert done.error == ""
    assert "error" not in step_changed(uuid.uuid4(), done, attempt=1).data
