"""What the API's answers say, in tests."""

from typing import Any

V1 = "/api/v1"


def ok(answer: Any, status: int = 200) -> Any:
    """Return the body of an answer that has the status."""
    assert answer.status_code == status, answer.text
    return answer.json()


def fields(answer: Any) -> dict[str, str]:
    """Return the problems of a 422 by field."""
    error = ok(answer, 422)["error"]
    return {fault["field"]: fault["problem"] for fault in error["details"]["fields"]}
