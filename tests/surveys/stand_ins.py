"""Drivers and stores that fail at a chosen moment, passed in where the real ones are."""

from collections.abc import Callable
from pathlib import Path

from obstore.store import LocalStore

from game_capture.drivers.city import CityDriver
from imageflow_clients.objects import ObjectStore
from imageflow_domain.capture import Grabbed
from imageflow_domain.ports import Area
from imageflow_domain.survey import SurveySpec
from imageflow_surveys.camera import Camera
from tests.surveys.cities import driver_of_city


class Killed(BaseException):
    """The process ends here: nothing of ours may catch it."""


class Moment:
    """Raises an error at the n-th call, and never again."""

    def __init__(self, error: BaseException, *, at_call: int) -> None:
        self._error = error
        self._left = at_call
        self.calls = 0

    def pass_by(self) -> None:
        self.calls += 1
        self._left -= 1
        if self._left == 0:
            raise self._error


class FailingCity:
    """A city whose camera fails at a chosen shot, counted over all of its starts."""

    def __init__(self, city: CityDriver, moment: Moment) -> None:
        self._city = city
        self._moment = moment
        self.capabilities = city.capabilities
        self.areas = city.areas

    def grab(self, area: Area) -> Grabbed:
        self._moment.pass_by()
        return self._city.grab(area)

    def __enter__(self) -> "FailingCity":
        self._city.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._city.__exit__(*exc_info)


def failing_camera(spec: SurveySpec, moment: Moment) -> Camera:
    """Return a camera on the survey's city that fails at `moment`."""
    return Camera(lambda: FailingCity(driver_of_city(spec), moment))


class FailingStore(ObjectStore):
    """The folder of objects under a home; an attempt on a chosen kind of key fails."""

    def __init__(self, home: Path, moment: Moment, *, concerns: Callable[[str], bool]) -> None:
        super().__init__(LocalStore(home / "objects"), label="a store that fails")
        self._moment = moment
        self._concerns = concerns

    def put(self, key: str, data: bytes) -> None:
        self._look(key)
        super().put(key, data)

    def delete(self, key: str) -> None:
        self._look(key)
        super().delete(key)

    def _look(self, key: str) -> None:
        if self._concerns(key):
            self._moment.pass_by()
