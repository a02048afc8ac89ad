"""Request a survey's tiles in another encoding: the same pixels, under a new revision."""

from imageflow_clients.database.maps import layers
from imageflow_clients.database.maps import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.errors import Conflict
from imageflow_domain.survey import Encoding, Survey
from imageflow_surveys import states
from imageflow_surveys.place import open_tile_layer, revision_of


def ask_to_reencode(stores: Stores, survey_id: str, encoding: Encoding) -> Survey:
    """Give a placed survey another encoding, and return it; its next run makes all tiles anew.

    They are made from the screenshots, or from the native tiles, which have lost nothing, where those were deleted. The
    old revision is served until the new one is whole.

    Raises:
        NotReady: Where the survey is not placed.
        Conflict: While a run is at work on it, or where it is encoded so already.
    """
    with stores.database.begin() as connection:
        survey = rows.get(connection, survey_id, lock=True)
        states.check_idle(connection, survey)
        mosaic = survey.placed()
        revision = revision_of(mosaic.placement, encoding, mosaic.fidelity)
        if revision == mosaic.revision:
            raise Conflict(f"'{survey_id}' is encoded so already: its tiles are {describe(encoding)}.")
        rows.set_encoding(connection, survey_id, survey.spec.model_copy(update={"encoding": encoding}), revision)
        if revision == survey.published_revision:
            layers.mark_all_cut(connection, survey_id, revision)  # its tiles are whole, and shown
        survey = rows.get(connection, survey_id)
        open_tile_layer(connection, survey, survey.placed())
        return survey


def describe(encoding: Encoding) -> str:
    """Spell an encoding for people."""
    return f"lossless method {encoding.lossless_method}, lossy quality {encoding.lossy_quality}"
