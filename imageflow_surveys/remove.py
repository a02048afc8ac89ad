"""Delete a survey: its rows, its own objects, and the tiles that nobody else shows."""

from imageflow_clients.database import surveys as rows
from imageflow_clients.database import tiles
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import Conflict
from imageflow_domain.survey import Survey, SurveyState

_BATCH = 5000


def remove_survey(stores: Stores, survey: Survey) -> int:
    """Delete a survey and return how many tile objects went with it; its name is never used again.

    Raises:
        NotFound: Where it is gone already.
        Conflict: While it is running.
    """
    with stores.database.begin() as connection:
        # locked: whoever takes it up meanwhile finds it gone
        if rows.get(connection, survey.id, lock=True).state is SurveyState.RUNNING:
            raise Conflict(f"'{survey.id}' is running: wait for its end, or stop whatever carries it, then delete it.")
        digests = list(tiles.digests_of(connection, survey.id))
        rows.remove(connection, survey)
    stores.objects.delete_prefix(f"{keys.survey_prefix(survey.id)}/")
    deleted = 0
    for first in range(0, len(digests), _BATCH):
        with stores.database.begin() as connection:
            orphans = tiles.unreferenced(connection, digests[first : first + _BATCH])
        for digest in orphans:
            stores.objects.delete(keys.tile(digest))
        deleted += len(orphans)
    return deleted
