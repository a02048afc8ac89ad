"""Delete a survey: its rows, its own objects, and the tiles that nobody else shows."""

from imageflow_clients.database import surveys as rows
from imageflow_clients.database import tiles
from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.survey import Survey
from imageflow_surveys import carry

_BATCH = 5000


def remove_survey(stores: Stores, survey: Survey) -> int:
    """Delete a survey and return how many tile objects went with it; its name is never used again.

    Raises:
        NotFound: Where it is gone already.
        Conflict: While somebody carries it.
    """
    with stores.database.begin() as connection:
        # locked: whoever takes it up meanwhile finds it gone
        carry.check_not_carried(connection, rows.get(connection, survey.id, lock=True))
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
