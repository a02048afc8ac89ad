"""Every error of ours has one answer in each protocol."""

import ast

import grpc
import pytest

from imageflow_domain import errors
from imageflow_domain.errors import GameDied, ImageFlowError
from imageflow_edge.error_table import TABLE, Answer, answer_for
from tests.architecture import ROOT, rows

_FOR_LOGINS = {"Unauthenticated"}
"""Raised once there are logins."""


def _classes(parent: type[ImageFlowError] = ImageFlowError) -> list[type[ImageFlowError]]:
    return [parent, *(cls for child in parent.__subclasses__() for cls in _classes(child))]


def test_only_what_nobody_foresaw_is_answered_as_a_failure_of_ours() -> None:
    failures = {cls.__name__ for cls in _classes() if answer_for(cls.__new__(cls)).status == 500}
    assert failures == {"ImageFlowError", "Cancelled", "NothingAnchored", "StepFailed", "ContainerFailed"}


def test_every_error_of_the_table_is_raised_somewhere() -> None:
    sources = [path for row in rows() for package in row for path in (ROOT / package).rglob("*.py")]
    made = {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute))
    }
    never = {cls.__name__ for cls in TABLE if not made & {kind.__name__ for kind in _classes(cls)}}
    assert never == _FOR_LOGINS


def test_an_error_that_is_not_listed_is_answered_as_its_parent() -> None:
    assert answer_for(GameDied("it died")).code == "CAPTURE_FAILED"


@pytest.mark.parametrize("answer", TABLE.values(), ids=[cls.__name__ for cls in TABLE])
def test_each_answer_has_codes_that_grpc_and_websocket_know(answer: Answer) -> None:
    assert answer.grpc in grpc.StatusCode.__members__
    assert answer.grpc != "OK"
    assert 4000 <= answer.close < 5000


def test_an_error_and_its_status_mean_the_same_in_each_protocol() -> None:
    assert answer_for(errors.NotFound("x")).close == 4404
    assert answer_for(errors.Unauthenticated("x")).grpc == "UNAUTHENTICATED"
    assert answer_for(errors.Timeout("x")) == answer_for(type("Later", (errors.Timeout,), {})("x"))
