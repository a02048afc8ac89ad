"""What Dagster was not told of: a process that was killed between its rows and its event made something unseen."""

import dagster as dg

from imageflow_assets.map.assets import BY_LAYER, CODE_VERSION
from imageflow_clients.database import surveys as rows
from imageflow_clients.stores import Stores
from imageflow_domain.survey import BLOCK_LAYERS, Survey, SurveyState
from imageflow_surveys.runs import partition_key

_LATEST = 100
"""More than a day's surveys."""

_LATE = {"reported": dg.MetadataValue.text("later, as whoever made it was killed before he could")}


def report_untold(instance: dg.DagsterInstance, survey: Survey) -> int:
    """Report every partition of a whole survey that Dagster does not know to be made; return how many.

    To be asked while none of its runs is alive, which would report its last ones itself.
    """
    blocks = [partition_key(survey.id, block) for block in survey.blocks()]
    reported = 0
    for layer, asset in BY_LAYER.items():
        keys = blocks if layer in BLOCK_LAYERS else [survey.id]
        for key in sorted(set(keys) - _told(instance, asset.key, keys)):
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset.key, partition=key, metadata=_LATE, tags={"dagster/code_version": CODE_VERSION}
                )
            )
            reported += 1
    return reported


def report_untold_lately(instance: dg.DagsterInstance, stores: Stores) -> int:
    """Report what Dagster does not know of the latest completed surveys; return how many partitions."""
    with stores.database.begin() as connection:
        completed = rows.find(connection, states=(SurveyState.COMPLETED,), limit=_LATEST)
    return sum(report_untold(instance, survey) for survey in completed)


def _told(instance: dg.DagsterInstance, asset: dg.AssetKey, keys: list[str]) -> set[str]:
    told: set[str] = set()
    cursor = None
    wanted = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=keys)
    while True:
        found = instance.fetch_materializations(wanted, limit=1000, cursor=cursor)
        told.update(str(record.partition_key) for record in found.records)
        if not found.has_more:
            return told
        cursor = found.cursor
