"""How large a run's survey is, which decides where its steps are executed."""

import dagster as dg

from imageflow_clients.database.maps import surveys
from imageflow_clients.settings import DatabaseSettings, Settings
from imageflow_domain.ids import is_survey_id
from imageflow_resources.database import shared_database
from imageflow_surveys.runs import PARTITION_TAG
from imageflow_surveys.shares import SMALL_SURVEY


def is_large(run: dg.DagsterRun, settings: Settings) -> bool:
    """Return whether a run is one of a survey of more than `SMALL_SURVEY` areas.

    A run says by Dagster's own tag which survey it is of, so that it makes no difference who launched it.
    """
    survey = run.tags.get(PARTITION_TAG, "")
    if not is_survey_id(survey):
        return False
    database = shared_database(DatabaseSettings(home=settings.home_path, database_url=settings.database_url))
    with database.begin() as connection:
        return surveys.count_areas(connection, survey) > SMALL_SURVEY
