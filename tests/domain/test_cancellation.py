"""The switch that stops work: thrown once, seen by checks, waits and callbacks."""

import threading
import time

import pytest

from imageflow_domain.cancellation import Cancellation
from imageflow_domain.errors import Cancelled, InvalidInput
from imageflow_domain.inference import ModelId


def test_the_first_reason_stays() -> None:
    switch = Cancellation()
    switch.check()
    switch.cancel("First.")
    switch.cancel("Second.")
    assert switch.is_cancelled
    with pytest.raises(Cancelled, match="First"):
        switch.check()


def test_whoever_waits_is_woken() -> None:
    switch = Cancellation()
    threading.Timer(0.1, switch.cancel).start()
    begun_s = time.monotonic()
    with pytest.raises(Cancelled):
        switch.wait(60)
    assert time.monotonic() - begun_s < 10


def test_waiting_ends_by_itself_where_nothing_is_cancelled() -> None:
    Cancellation().wait(0.01)


def test_those_who_asked_are_called_while_they_are_at_it_and_not_later() -> None:
    switch = Cancellation()
    called: list[str] = []
    with switch.interrupting(lambda: called.append("before")):
        pass
    with switch.interrupting(lambda: called.append("outer")), switch.interrupting(lambda: called.append("inner")):
        switch.cancel()
        switch.cancel()
    assert sorted(called) == ["inner", "outer"]


def test_what_is_cancelled_is_not_begun() -> None:
    switch = Cancellation()
    switch.cancel()
    with pytest.raises(Cancelled), switch.interrupting(lambda: None):
        raise AssertionError("it was begun")


def test_a_models_name_is_read_as_it_is_written() -> None:
    assert str(ModelId.parse("scratches@3")) == "scratches@3"


@pytest.mark.parametrize(
    "text", ["scratches", "scratches@0", "scratches@", "@1", "A@1", "a@1@2", "../a@1", "a@-1", "a@1 "]
)
def test_what_names_no_model_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        ModelId.parse(text)
