"""Which runs of Dagster are at a survey: asked of its webserver, and remembered for a moment."""

import logging
import time

from imageflow_clients.dagster import Dagster
from imageflow_domain.errors import DagsterUnavailable
from imageflow_gateway.recent import Recent
from imageflow_surveys.survey_runs import SurveyRun, runs_of_survey

_LOG = logging.getLogger(__name__)

_TTL_S = 2.0
_SILENT_S = 10.0
"""After no answer Dagster is not asked for so long: nobody waits for it again and again."""

_SURVEYS = 200


class KnownRuns:
    """Asks Dagster for a survey's runs at most every two seconds, however many pages want to know."""

    def __init__(self, dagster: Dagster) -> None:
        self._dagster = dagster
        self._recent: Recent[str, tuple[SurveyRun, ...]] = Recent(ttl_s=_TTL_S, size=_SURVEYS)
        self._silent_until = 0.0

    def of(self, survey: str) -> tuple[SurveyRun, ...] | None:
        """Return a survey's runs, newest first; `None` where Dagster does not answer."""
        if time.monotonic() < self._silent_until:
            return None
        try:
            return self._recent.get(survey, lambda: runs_of_survey(self._dagster, survey))
        except DagsterUnavailable as error:
            _LOG.info("runs are not known: %s", error)
            self._silent_until = time.monotonic() + _SILENT_S
            return None
