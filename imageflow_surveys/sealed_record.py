"""Reading the sealed record of a survey, which answers for screenshots that were deleted."""

import gzip
import json
from collections.abc import Mapping

from imageflow_clients.stores import Stores
from imageflow_domain import keys
from imageflow_domain.errors import ObjectDamaged, ObjectMissing
from imageflow_domain.grid import Cell
from imageflow_domain.survey import Survey


def sealed_digests(stores: Stores, survey: Survey) -> Mapping[Cell, str]:
    """Return the digests of a survey's screenshots as they were sealed; none where nothing was.

    Raises:
        ObjectDamaged: Where the record cannot be read.
    """
    key = keys.lineage(survey.id)
    again = f"materialise screenshot_cleanup of '{survey.id}' again"
    try:
        data = stores.objects.get(key, next_step=again)
    except ObjectMissing:
        return {}
    try:
        sealed = json.loads(gzip.decompress(data))["screenshots"]
        return {Cell(row=each["row"], col=each["col"]): each["digest"] for each in sealed if each["digest"] is not None}
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        lost = f"delete it, then {again}; the digests of deleted screenshots are lost with it"
        raise ObjectDamaged(key, next_step=lost, what=f"the sealed record of '{survey.id}'") from error
