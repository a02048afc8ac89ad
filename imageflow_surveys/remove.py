"""Delete a survey: its rows and its own objects. Later sweeps delete tiles that no other survey shows."""

from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.database.maps import tiles
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.survey import Survey
from imageflow_surveys import states


def remove_survey(stores: Stores, survey: Survey) -> None:
    """Delete a survey; its name is never used again.

    Surveys that show some of its tiles take those over first.

    Raises:
        NotFound: Where it is gone already.
        Conflict: While a run is at work on it.
    """
    with stores.database.begin() as connection:
        # locked: a run that takes it up meanwhile finds it gone
        states.check_idle(connection, rows.get(connection, survey.id, lock=True))
        for layer in tiles.layers_of_survey(connection, survey.id):
            tiles.retire(connection, layer)
        rows.remove(connection, survey)
    stores.objects.delete_prefix(f"{keys.survey_prefix(survey.id)}/")
