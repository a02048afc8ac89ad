"""Components that fail, wait and count on demand: what an engine has to live with."""

import logging
import threading
import time
from collections import Counter
from typing import ClassVar, NamedTuple

from imageflow_domain.errors import InvalidInput, NotFound, Unavailable
from imageflow_pipelines.component import Component, Context, Needs
from imageflow_pipelines.registry import RELEASED, Registry, Release
from imageflow_pipelines.values import Encoded, Text

CALLS: Counter[str] = Counter()
"""How often each `Noted` step was called, by its note."""
MEETING = threading.Barrier(2)


class Noted(Component):
    """Passes the picture's size on as text, with `note` added; is counted."""

    name: ClassVar[str] = "noted"
    version: ClassVar[int] = 1
    note: str

    def __call__(self, picture: Encoded | None = None, texts: tuple[Text, ...] = ()) -> Text:
        CALLS[self.note] += 1
        own = "" if picture is None else str(len(picture.data))
        return Text(f"({self.note}{own}{' '.join(text.text for text in texts)})")


class Talker(Component):
    """Logs its note, and what it does is counted; expected to last as long as it says."""

    name: ClassVar[str] = "talker"
    version: ClassVar[int] = 1
    note: str
    expected_s: float = 0

    def cpu_s(self, megapixels: float) -> float:
        return self.expected_s

    def __call__(self, picture: Encoded) -> Text:
        logging.getLogger("talker").warning("%s: %d bytes", self.note, len(picture.data))
        logging.getLogger("talker").debug("not kept")
        return Text(self.note)


class Flaky(Component):
    """Fails `times` times, in the requested way."""

    name: ClassVar[str] = "flaky"
    version: ClassVar[int] = 1
    note: str
    times: int
    way: str = "down"

    def __call__(self, picture: Encoded) -> Text:
        CALLS[self.note] += 1
        if CALLS[self.note] <= self.times:
            match self.way:
                case "down":
                    raise Unavailable("The model server is down: try again.")
                case "input":
                    raise InvalidInput("The picture shows nothing: take it again.")
                case "missing":
                    raise NotFound("There is no such model.")
                case _:
                    raise ZeroDivisionError
        return Text(str(len(picture.data)))


class Sleeper(Component):
    """Sleeps, looking neither left nor right; expected to last as long as it does."""

    name: ClassVar[str] = "sleeper"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(cpu_s_per_megapixel=0)
    seconds: float
    expected_s: float = 0

    def cpu_s(self, megapixels: float) -> float:
        return self.expected_s

    def __call__(self, picture: Encoded) -> Text:
        time.sleep(self.seconds)
        return Text(f"slept {self.seconds}")


class Dier(Component):
    """Ends the process that it runs in."""

    name: ClassVar[str] = "dier"
    version: ClassVar[int] = 1

    def cpu_s(self, megapixels: float) -> float:
        return 60

    def __call__(self, picture: Encoded) -> Text:
        import os

        os._exit(9)


class Waiter(Component):
    """Waits for its cancellation, as a model's session does."""

    name: ClassVar[str] = "waiter"
    version: ClassVar[int] = 1
    breaks: bool = False

    def __call__(self, picture: Encoded, context: Context) -> Text:
        CALLS["waiter"] += 1
        stopped = threading.Event()
        with context.cancellation.interrupting(stopped.set):
            assert stopped.wait(20)
        if self.breaks:
            raise ConnectionError("the model server hung up")
        context.cancellation.check()
        raise AssertionError("it was not stopped")


class Meeter(Component):
    """Goes on only when another of its kind runs at the same time."""

    name: ClassVar[str] = "meeter"
    version: ClassVar[int] = 1

    def __call__(self, picture: Encoded) -> Text:
        MEETING.wait(10)
        return Text("met")


class Ways(NamedTuple):
    left: Text | None
    right: Text | None


class Fork(Component):
    """Goes left or right."""

    name: ClassVar[str] = "fork"
    version: ClassVar[int] = 1
    left: bool

    def __call__(self, picture: Encoded) -> Ways:
        return Ways(left=Text("left"), right=None) if self.left else Ways(left=None, right=Text("right"))


REGISTRY = Registry(
    [*RELEASED, *(Release(each, golden="") for each in (Noted, Talker, Flaky, Sleeper, Dier, Waiter, Meeter, Fork))]
)
