"""Asset checks of coordinates and overviews: each asks one question of `imageflow_surveys.trust`."""

from collections.abc import Callable

import dagster as dg

from imageflow_assets.failures import explained
from imageflow_assets.map import metadata as shown
from imageflow_assets.map.assets import coordinates, overviews
from imageflow_assets.map.partitions import SURVEYS
from imageflow_clients.stores import Stores
from imageflow_domain.survey import Survey
from imageflow_surveys import carry, trust
from imageflow_surveys.findings import Finding, Severity

_SEVERITIES = {Severity.WARN: dg.AssetCheckSeverity.WARN, Severity.ERROR: dg.AssetCheckSeverity.ERROR}


def _check(asset: dg.AssetsDefinition, look: Callable[[Stores, Survey], Finding]) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=look.__name__, description=look.__doc__, partitions_def=SURVEYS)
    def check(context: dg.AssetCheckExecutionContext, stores: dg.ResourceParam[Stores]) -> dg.AssetCheckResult:
        with explained():
            found = look(stores, carry.read(stores, context.partition_key))
        return dg.AssetCheckResult(
            passed=found.holds,
            severity=_SEVERITIES[found.severity],
            description=found.text,
            metadata=shown.finding(found),
        )

    return check


CHECKS = (
    _check(coordinates, trust.loops_close),
    _check(coordinates, trust.shots_placed),
    _check(coordinates, trust.decisive_offsets_kept),
    _check(coordinates, trust.mostly_anchored),
    _check(coordinates, trust.one_group),
    _check(overviews, trust.tiles_whole),
)
