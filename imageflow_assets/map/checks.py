"""Asset checks of coordinates and overviews: the step of their asset records them, however its run was started."""

from collections.abc import Callable, Sequence

import dagster as dg

from imageflow_assets.map import metadata as shown
from imageflow_assets.map.partitions import SURVEYS
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Layer, Survey
from imageflow_surveys import states, trust
from imageflow_surveys.findings import Finding

Look = Callable[[Stores, Survey], Finding]
"""Asks one question; its name is the check's, and the first line of its docstring says what it asks."""

OF_COORDINATES: tuple[Look, ...] = (
    trust.loops_close,
    trust.shots_placed,
    trust.decisive_offsets_kept,
    trust.mostly_anchored,
    trust.one_group,
    trust.positions_hold,
)
OF_OVERVIEWS: tuple[Look, ...] = (trust.tiles_whole,)


def specs(layer: Layer, looks: Sequence[Look]) -> list[dg.AssetCheckSpec]:
    """Return what Dagster shows of an asset's checks before they were made."""
    return [
        dg.AssetCheckSpec(look.__name__, asset=layer.value, description=look.__doc__, partitions_def=SURVEYS)
        for look in looks
    ]


def results(stores: Stores, survey: Survey, looks: Sequence[Look]) -> list[dg.AssetCheckResult]:
    """Look at a survey as its rows are now."""
    now = states.read(stores, survey.id)
    return [shown.check_result(look(stores, now), look.__name__) for look in looks]
